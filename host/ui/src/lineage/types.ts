/** What the host says of a project's graph, and of where its nodes stand. */

import type { Schemas } from "../api/client";

/** A graph as the host lays it out: columns of one length, in one order. */
export type GraphDocument = {
  project: string;
  digest: string;
  width: number;
  height: number;
  node_width: number;
  node_height: number;
  groups: { name: string; count: number; folded: boolean }[];
  nodes: {
    id: string[];
    key: string[];
    name: string[];
    resource_type: string[];
    group: (number | null)[];
    layer: number[];
    x: number[];
    y: number[];
    members: (string[] | null)[];
  };
  edges: { from: number[]; to: number[]; points: number[][]; back: number[] };
};

/** Where an asset stands. A live message does not say what to make of it: only the host knows of freshness and checks. */
export type Standing = Omit<Schemas["StateRow"], "health"> & { health?: Schemas["Health"] | undefined };

/** Where the assets of a project stand, by unique id. */
export type StatesDocument = Schemas["ProjectStates"];

/** A project of the configuration. */
export type ProjectRow = Schemas["ProjectRow"];
