/** The API's words about runs, by the names that these pages call them. */
import type { Schemas } from "../api/client";

export type RunState = Schemas["RunState"];
export type RunSummary = Schemas["RunSummary"];
export type RunDetail = Schemas["RunDetail"];
export type Step = Schemas["StepDetail"];
export type Attempt = Schemas["AttemptDetail"];
export type Decided = Schemas["Decided"];
export type AtTheGate = Schemas["AtTheGate"];
export type Limits = Schemas["Limits"];
export type PluginRecord = Schemas["PluginRecord"];
export type NodeRow = Schemas["NodeRow"];
export type NodeResult = Schemas["NodeResult"];
export type RunEvent = Schemas["Stored"];
export type LogRow = Schemas["LogRow"];
export type LogPage = Schemas["LogPage"];
export type Artifact = Schemas["Artifact"];
export type Told = Schemas["Told"];
export type Delivery = Schemas["DeliveryRow"];
export type Comparison = Schemas["Comparison"];
export type NodeComparison = Schemas["NodeComparison"];
export type NodeOutcome = Schemas["NodeOutcome"];
