/**
 * A real host on a project of its own: the demo, copied, with the dbt of `TIDEGATE_TEST_DBT`.
 *
 * Needs `TIDEGATE_TEST_BINARY` (a built `tidegate`) and `TIDEGATE_TEST_DBT` (a folder with `dbt`); `cargo xtask test` sets both.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { createInterface } from "node:readline";

const demo = resolve(import.meta.dirname, "../../../dbt_project");

function needed(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`set ${name}, or run the tests with \`cargo xtask test --only browser\``);
  return value;
}

/** What a call of the command line left. */
export type Called = { code: number; stdout: string; stderr: string };

export class Host {
  /** Where it is heard; the same after a restart. */
  url = "";
  private port = 0;
  private child: ChildProcess | undefined;
  /** What it has logged. */
  log: string[] = [];

  private constructor(readonly folder: string) {}

  /** A host with a copy of the demo project; it does not run yet. */
  static async ofDemo(): Promise<Host> {
    const folder = await mkdtemp(join(tmpdir(), "tidegate-browser-"));
    const skipped = new Set(["target", "logs", ".tidegate", "dbt_packages", "shop.duckdb"]);
    await cp(demo, folder, { recursive: true, filter: (from) => !skipped.has(from.slice(demo.length + 1)) });
    const host = new Host(folder);
    // Nothing starts by itself while a test looks: each schedule is some hours away, whatever the time is.
    const hour = (new Date().getUTCHours() + 4) % 24;
    await host.edit("tidegate.toml", (text) => text.replaceAll(/^schedule = .*$/gm, `schedule = "0 ${hour} * * *"`));
    return host;
  }

  /** The path of a file of the project. */
  path(name: string): string {
    return join(this.folder, name);
  }

  /** Changes a file of the project. */
  async edit(name: string, change: (text: string) => string): Promise<void> {
    const text = await readFile(this.path(name), "utf8").catch(() => "");
    await writeFile(this.path(name), change(text));
  }

  private environment(): NodeJS.ProcessEnv {
    const path = [needed("TIDEGATE_TEST_DBT"), process.env.PATH].join(delimiter);
    return { ...process.env, PATH: path, TIDEGATE_LISTEN: `127.0.0.1:${this.port}`, NO_COLOR: "1" };
  }

  /** Calls the command line. */
  call(...args: string[]): Promise<Called> {
    const options = { cwd: this.folder, env: this.environment(), maxBuffer: 1 << 26 };
    return new Promise((done) => {
      execFile(needed("TIDEGATE_TEST_BINARY"), args, options, (error, stdout, stderr) => {
        done({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr });
      });
    });
  }

  /** Starts it, and waits until it is heard. */
  async start(): Promise<this> {
    const args = ["serve", "--log-format", "json"];
    const child = spawn(needed("TIDEGATE_TEST_BINARY"), args, {
      cwd: this.folder,
      env: this.environment(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child = child;
    await new Promise<void>((heard, failed) => {
      const take = (line: string) => {
        this.log.push(line);
        const url = /"url":"(http:\/\/[^"]+)"/.exec(line)?.[1];
        if (url) {
          this.url = url;
          this.port = Number(new URL(url).port);
          heard();
        }
      };
      for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on("line", take);
      child.once("exit", (code) => failed(new Error(`serve ended with ${code}:\n${this.log.join("\n")}`)));
    });
    return this;
  }

  /** Ends it, the hard way or the usual one. What runs goes on without it. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const child = this.child;
    this.child = undefined;
    if (!child || child.exitCode !== null) return;
    const ended = new Promise((done) => child.once("exit", done));
    child.kill(signal);
    await ended;
  }

  /** Ends it, and takes its folder away. */
  async remove(): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }

  /** Asks its API. */
  async get<T>(path: string): Promise<T> {
    const answer = await fetch(`${this.url}/api/v1${path}`);
    if (!answer.ok) throw new Error(`GET ${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as T;
  }

  /** Waits until a run has ended; gives its state. */
  async ended(run: number): Promise<string> {
    for (;;) {
      const { state } = await this.get<{ state: string }>(`/runs/${run}`);
      if (state !== "running" && state !== "queued") return state;
      await new Promise((done) => setTimeout(done, 250));
    }
  }
}
