//! The UI: what someone in front of a browser waits for.
//!
//! Owns the two hosts that the browser looks at, and what its figures come to. The measuring itself is done beside this, in
//! `bench/ui`, by a real browser. Each figure comes with that of something empty or small, from the same host and in the
//! same minute.

use std::{
    collections::BTreeMap,
    env, fmt, fs,
    fs::File,
    io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    bounds::{
        UI_CONTENT, UI_FIRST, UI_FRAME, UI_GRAPH, UI_GRAPH_DRAWN, UI_LIVE, UI_RUN_LOG, UI_RUN_NODES, Verdict,
    },
    demo,
    figures::{Figures, Unit},
    generate, load, note, record,
    setting::Setting,
};

/// How many models the large project has.
const MODELS: usize = 5000;
/// How many nodes the small run has, beside one of all models.
const SMALL: usize = 30;
/// How long a host may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(60);
/// The browser, where no other one is named in [`CHROMIUM_VARIABLE`].
const CHROMIUM: &str = "/usr/bin/chromium";
const CHROMIUM_VARIABLE: &str = "TIDEGATE_TEST_CHROMIUM";

/// What was measured; times in seconds.
#[derive(Serialize)]
pub struct Report {
    /// The first page.
    first: First,
    /// From dbt's log to the browser.
    live: Live,
    /// The graph of many assets.
    graph: Graph,
    /// The same as it is drawn.
    lineage: Lineage,
    /// The parts of the page of a large run, and of a small one.
    run: BTreeMap<String, Beside>,
}

/// Until something is there, from the request of a page.
#[derive(Serialize, Deserialize)]
struct First {
    /// A page of the same host that is a line of text: painted.
    empty: Seconds,
    /// The overview in a new window: something of it is painted.
    painted: Seconds,
    /// Its jobs are painted.
    content: Seconds,
    /// The same where the window knows the UI's files.
    again: Seconds,
    content_again: Seconds,
}

/// From what dbt said of the end of a node until others know.
#[derive(Serialize, Deserialize)]
struct Live {
    /// Nodes of all builds.
    nodes: usize,
    /// Until it is in the page, from dbt's line about it.
    browser: Seconds,
    /// The same from the moment at which dbt says that it ended.
    from_end: Seconds,
    /// Until whoever listens to the API has heard of it.
    api: Seconds,
    /// From there to the page.
    behind_api: Seconds,
}

#[derive(Serialize, Deserialize)]
struct Graph {
    assets: usize,
    /// Bytes, compressed.
    bytes: u64,
    /// In milliseconds: of a host that has just started.
    cold: f64,
    /// From memory.
    cached: Seconds,
}

#[derive(Serialize, Deserialize)]
struct Lineage {
    /// From the request of the page until all of the graph is drawn.
    drawn: Seconds,
    /// Each frame while someone drags.
    pan: Seconds,
    /// Each frame while someone zooms.
    zoom: Seconds,
    /// The same on an empty canvas.
    empty_pan: Seconds,
    empty_zoom: Seconds,
}

#[derive(Serialize, Deserialize)]
struct Beside {
    large: Seconds,
    small: Seconds,
}

/// Figures in seconds, told in milliseconds by the browser.
#[derive(Serialize, Deserialize)]
#[serde(from = "Vec<f64>")]
struct Seconds(Figures);

impl From<Vec<f64>> for Seconds {
    fn from(milliseconds: Vec<f64>) -> Self {
        Self(Figures::of(milliseconds.into_iter().map(|value| value / 1e3)))
    }
}

#[derive(Deserialize)]
struct Found {
    first: First,
    live: Live,
    graph: Graph,
    lineage: Lineage,
    run: BTreeMap<String, Beside>,
}

/// Opens each page `runs` times.
pub fn run(setting: &Setting, runs: u32) -> Result<Report> {
    let chromium = env::var_os(CHROMIUM_VARIABLE).map_or_else(|| CHROMIUM.into(), PathBuf::from);
    if !chromium.exists() {
        bail!("there is no browser at {}; name one in {CHROMIUM_VARIABLE}", chromium.display());
    }
    let shop = setting.folder("ui");
    demo::copy(&shop)?;
    // It is parsed, planned and built once, as in every house that has a host.
    note("ui: the demo is built once");
    setting.tidegate(&shop, &["run", "build"])?;
    let layered = load::prepare(setting, MODELS)?;
    let [small, large] = put_on_record(&layered)?;

    let (shop, layered) = (serve(setting, &shop)?, serve(setting, &layered)?);
    let what = json!({
        "chromium": chromium,
        "demo": shop.url,
        "layered": layered.url,
        "large": large,
        "small": small,
        "runs": runs,
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui/measure.mjs");
    let said = Command::new("node")
        .arg(&script)
        .arg(what.to_string())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("could not start `node`, which drives the browser")?;
    if !said.status.success() {
        bail!("{} failed ({}); `cargo xtask ui` installs what it needs", script.display(), said.status);
    }
    shop.stop()?;
    layered.stop()?;
    let Found { first, live, graph, lineage, run } =
        serde_json::from_slice(&said.stdout).context("the browser's figures cannot be read")?;
    Ok(Report { first, live, graph, lineage, run })
}

/// Forgets what ran before, and puts a small and a large run of the models on record.
fn put_on_record(project: &Path) -> Result<[u64; 2]> {
    let state = project.join(".tidegate");
    for file in ["tidegate.db", "tidegate.db-wal", "tidegate.db-shm"] {
        match fs::remove_file(state.join(file)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    match fs::remove_dir_all(state.join("runs")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let ids: Vec<_> =
        generate::models(MODELS).map(|name| format!("model.{}.{name}", generate::NAME)).collect();
    Ok([record::run(&state, generate::NAME, &ids[..SMALL])?.0, record::run(&state, generate::NAME, &ids)?.0])
}

/// A host with its UI. It is killed when this is dropped.
struct Served {
    process: Child,
    url: String,
}

fn serve(setting: &Setting, project: &Path) -> Result<Served> {
    let log = project.join(".tidegate/bench-serve.log");
    let process = setting
        .command(project, &["serve", "--log-format", "json"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log)?)
        .spawn()
        .context("could not start `tidegate serve`")?;
    let mut host = Served { process, url: String::new() };
    let begun = Instant::now();
    loop {
        let text = fs::read_to_string(&log)?;
        if let Some(url) = text.split("\"url\":\"").nth(1).and_then(|rest| rest.split_once('"')) {
            host.url = url.0.trim_end_matches('/').to_owned();
            return Ok(host);
        }
        if begun.elapsed() > PATIENCE || host.process.try_wait()?.is_some() {
            bail!("`tidegate serve` does not answer; {} says why", log.display());
        }
        thread::sleep(Duration::from_millis(10));
    }
}

impl Served {
    fn stop(mut self) -> Result<()> {
        kill(Pid::from_raw(i32::try_from(self.process.id())?), Signal::SIGTERM)?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Report {
    /// The figures that have bounds, held against them.
    pub fn verdicts(&self) -> Vec<Verdict> {
        let Lineage { drawn, pan, zoom, .. } = &self.lineage;
        let opened = |part: &str| self.run.get(part).map_or(f64::INFINITY, |part| part.large.0.median);
        vec![
            UI_FIRST.judge(self.first.painted.0.median),
            UI_CONTENT.judge(self.first.content.0.median),
            UI_LIVE.judge(self.live.browser.at(0.9)),
            UI_GRAPH.judge(self.graph.cached.0.max),
            UI_GRAPH_DRAWN.judge(drawn.0.median),
            UI_FRAME.judge(pan.0.max.max(zoom.0.max)),
            UI_RUN_NODES.judge(opened("nodes")),
            UI_RUN_LOG.judge(opened("log")),
        ]
    }
}

impl Seconds {
    /// The value that this share of all does not exceed.
    fn at(&self, share: f64) -> f64 {
        let mut sorted = self.0.each.clone();
        sorted.sort_by(f64::total_cmp);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the list")]
        let place = (sorted.len() as f64 * share).ceil() as usize;
        sorted.get(place.saturating_sub(1)).copied().unwrap_or_default()
    }

    fn shown(&self) -> String {
        self.0.shown(Unit::Milliseconds)
    }

    /// The same where the end counts: the middle, what nine of ten or nineteen of twenty do not exceed, and the most.
    fn spread(&self, share: f64) -> String {
        let [median, high, max] = [self.0.median, self.at(share), self.0.max]
            .map(|value| Unit::Milliseconds.shown(value).to_string());
        format!("{median:<14}{high:<14}{max}")
    }
}

/// How many times the median of one is that of the other.
fn times(one: &Seconds, other: &Seconds) -> String {
    if other.0.median > 0.0 {
        Unit::Times.shown(one.0.median / other.0.median).to_string()
    } else {
        "–".into()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let First { empty, painted, content, again, content_again } = &self.first;
        writeln!(f, "ui: the first page, {} times", painted.0.each.len())?;
        writeln!(f, "{:<34}{:<26}× empty page", "", "")?;
        writeln!(f, "{:<34}{}", "an empty page is painted", empty.shown())?;
        for (name, figures) in [
            ("something is painted", painted),
            ("its jobs are painted", content),
            ("opened again, something", again),
            ("opened again, its jobs", content_again),
        ] {
            writeln!(f, "{name:<34}{:<26}{}", figures.shown(), times(figures, empty))?;
        }
        writeln!(f, "\nui: {} nodes that ended, live", self.live.nodes)?;
        writeln!(f, "{:<34}{:<14}{:<14}most", "", "median", "9 of 10")?;
        for (name, figures) in [
            ("in the page, from dbt's line", &self.live.browser),
            ("in the page, from the node's end", &self.live.from_end),
            ("heard from the API, from the line", &self.live.api),
            ("from there to the page", &self.live.behind_api),
        ] {
            writeln!(f, "{name:<34}{}", figures.spread(0.9))?;
        }
        writeln!(f, "{:<34}{}", "page × API", times(&self.live.browser, &self.live.api))?;
        let Graph { assets, bytes, cold, cached } = &self.graph;
        let Lineage { drawn, pan, zoom, empty_pan, empty_zoom } = &self.lineage;
        writeln!(f, "\nui: a graph of {assets} assets, {} compressed", Unit::Megabytes.shown(*bytes as f64))?;
        writeln!(f, "{:<34}{}", "laid out by a new host", Unit::Milliseconds.shown(cold / 1e3))?;
        writeln!(f, "{:<34}{}", "from memory", cached.shown())?;
        writeln!(f, "{:<34}{:<26}{} × an empty page", "drawn", drawn.shown(), times(drawn, empty))?;
        writeln!(f, "{:<34}{:<14}{:<14}{:<14}over 50 ms", "frames", "median", "19 of 20", "most")?;
        for (name, figures) in [
            ("while someone drags", pan),
            ("while someone zooms", zoom),
            ("an empty canvas, dragged", empty_pan),
            ("an empty canvas, zoomed", empty_zoom),
        ] {
            let late = figures.0.each.iter().filter(|frame| **frame > 0.05).count();
            let spread = figures.spread(0.95);
            writeln!(f, "{name:<34}{spread:<42}{late} of {}", figures.0.each.len())?;
        }
        write!(
            f,
            "\nui: the page of a run\n{:<34}{:<26}{:<26}ratio",
            "",
            format!("{MODELS} nodes"),
            format!("{SMALL} nodes")
        )?;
        for (part, Beside { large, small }) in &self.run {
            write!(f, "\n{part:<34}{:<26}{:<26}{}", large.shown(), small.shown(), times(large, small))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_tenth_begins_behind_nine_of_ten() {
        let figures = Seconds::from((1..=20).map(|n| f64::from(n) * 1e3).collect::<Vec<_>>());
        assert_eq!((figures.at(0.9), figures.at(0.95), figures.at(1.0)), (18.0, 19.0, 20.0));
        assert_eq!(Seconds::from(Vec::new()).at(0.9), 0.0);
    }
}
