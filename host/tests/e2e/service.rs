//! `tidegate serve` and the verbs around it: reloading, limits, readiness, and what it says when something is odd.

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::{UnixDatagram, UnixStream},
};

use serde_json::Value;

use crate::support::{ENDLESS, NO_NODES, Sandbox, WAIT, is_there, signal, text};

fn tiny(jobs: &str) -> Sandbox {
    let shop = Sandbox::models(&[("slow", ENDLESS)]);
    shop.write("none.json", NO_NODES);
    shop.write("tidegate.toml", &config(jobs));
    shop
}

fn config(jobs: &str) -> String {
    format!("[projects.tiny]\nmanifest = \"none.json\"\n{jobs}")
}

#[test]
fn a_new_configuration_is_taken_as_a_whole_or_not_at_all() {
    let build = "[jobs.build]\nsteps = [\"dbt run-operation noop\"]\n";
    let shop = tiny(build);
    let service = shop.serve(&[]);
    shop.run(&["reload"]).code(0).err_has("nothing changed");

    // By the command, in a breath with the change.
    let later =
        "[jobs.build]\nschedule = \"0 0 1 1 *\"\npriority = 7\nsteps = [\"dbt run-operation noop\"]\n";
    shop.write("tidegate.toml", &config(later));
    let said = shop.run(&["reload"]).code(0);
    let all = said.out + &service.log();
    assert!(all.contains("priority") && all.contains("0 0 1 1 *"), "{all}");
    assert_eq!(shop.status().unwrap()["next"][0]["job"], "build");

    // By a signal, and by the file alone: mistakes are refused, and said until they are mended.
    shop.write("tidegate.toml", &config("[jobs.build]\nstepz = [\"dbt run-operation noop\"]\n"));
    service.signal("-HUP");
    service.wait_for("the configuration was refused");
    let said = shop.run(&["reload"]).code(2);
    assert!(said.err.contains("tidegate.toml:4") && said.err.contains("stepz"), "{}", said.err);
    assert!(said.err.contains("the host goes on with what it had"), "{}", said.err);
    let status = shop.status().unwrap();
    let problem = text(&status["config_problem"]);
    assert!(problem.contains("tidegate.toml:4") && problem.contains("stepz"), "{problem}");
    assert_eq!(status["next"][0]["job"], "build", "the old one stays");
    shop.run(&["status"]).code(0).out_has("tidegate.toml:4");

    shop.write("tidegate.toml", &config(&later.replace("0 0 1 1 *", "* * * * *")));
    shop.wait_for("the watcher", || shop.status().unwrap()["config_problem"].is_null());
    // Another schedule is a new one: it never fires for what has passed.
    let ticks = shop.run(&["schedules", "ticks", "build", "--json"]).code(0).json();
    assert!(ticks.as_array().unwrap().iter().all(|tick| tick["count"] == 1), "{ticks}");
    let elsewhere = format!("state_dir = \"elsewhere\"\n{}", config(later));
    shop.write("tidegate.toml", &elsewhere);
    service.wait_for("the file names another `state_dir`");
    shop.write("tidegate.toml", "[jobs.build\n");
    service.wait_for("tidegate.toml:1");
    shop.wait_for("the same for whoever asks", || {
        shop.status().unwrap()["config_problem"].as_str().is_some_and(|text| text.contains("tidegate.toml:1"))
    });
}

#[test]
fn a_run_that_takes_too_long_or_says_nothing_is_stopped() {
    // Time enough for dbt to be at work by then, on however busy a machine: before, it cannot listen.
    let shop = tiny(
        "[jobs.long]\nmax_runtime = \"40s\"\nsteps = [\"dbt run\"]\n\
         [jobs.silent]\ntarget = \"memory\"\nsilence_timeout = \"30s\"\nsteps = [\"dbt run\"]\n",
    );
    shop.write(
        "profiles.yml",
        "tiny: {target: dev, outputs: {
            dev: {type: duckdb, path: tiny.duckdb}, memory: {type: duckdb, path: ':memory:'}}}\n",
    );
    let service = shop.serve(&[]);
    let long = shop.start(&["run", "long"]);
    shop.wait_for("the first request", || shop.runs().len() == 1);
    let silent = shop.start(&["run", "silent"]);
    for (run, client, why) in
        [(1, long, "longer than its `max_runtime` of 40s"), (2, silent, "said nothing for longer than")]
    {
        let said = shop.end(client).code(1);
        assert!(said.out.contains(why), "{}\n{}", said.out, said.err);
        let shown = shop.show(run);
        assert_eq!(shown["state"], "failed");
        assert!(text(&shown["reason"]).contains(why), "{shown}");
        let exit = &shown["steps"][0]["attempts"][0]["exit"];
        assert_eq!(exit["cancelled"], true, "dbt was asked to stop: {exit}");
        assert!(exit["signal"].is_null(), "and has done so itself: {exit}");
        assert!(!is_there(shop.process(&format!("{run}/1.1"), "dbt")));
    }
    service.wait_for("run is being stopped");
}

#[test]
fn two_services_and_their_clients_share_one_state() {
    let shop = tiny(
        "[jobs.build]\nsteps = [\"dbt run\"]\n[jobs.quick]\nschedule = \"0 0 1 1 *\"\nsteps = [\"dbt run-operation noop\"]\n",
    );
    let said = shop.run(&["status"]).code(1);
    assert!(said.err.contains("no tidegate runs for") && said.err.contains("tidegate serve"), "{}", said.err);
    shop.run(&["reload"]).code(1).err_has("tidegate serve");

    // What is paused while nobody is there is paused when somebody comes.
    shop.run(&["schedules", "pause", "quick"]).code(0);
    let mut first = shop.serve(&[]);
    assert_eq!(shop.status().unwrap()["paused"], serde_json::json!(["quick"]));
    assert_eq!(shop.status().unwrap()["next"], serde_json::json!([]));
    shop.run(&["schedules"]).code(0).out_has("paused by");
    shop.run(&["schedules", "resume", "quick"]).code(0);
    assert_eq!(shop.status().unwrap()["next"][0]["job"], "quick");
    shop.run(&["schedules", "pause", "build"]).code(2).err_has("nothing starts the job `build` by itself");
    shop.run(&["schedules", "pause", "quik"]).code(2).err_has("did you mean `quick`?");

    // Nonsense on the socket is nobody's loss.
    for nonsense in [&b"\n"[..], b"{\"run\": 7}\n", b"\xff\xfe\0\n", &[b'x'; 100_000], b"\"Status\"\n"] {
        let mut socket = UnixStream::connect(shop.file(".tidegate/host.sock")).unwrap();
        let _ = socket.write_all(nonsense);
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let mut answer = String::new();
        let _ = socket.read_to_string(&mut answer);
        let is_refused = ["HTTP/1.1 400", "HTTP/1.1 431"].iter().any(|refusal| answer.starts_with(refusal));
        assert!(answer.is_empty() || is_refused, "{answer}");
    }
    let _silent = UnixStream::connect(shop.file(".tidegate/host.sock")).unwrap();
    assert!(shop.status().is_some());

    // Two services: the later one is it.
    fs::copy(shop.file("tidegate.toml"), shop.file("copy.toml")).unwrap();
    let second = shop.serve(&["--config", "copy.toml"]);
    assert_eq!(first.end(), Some(0));
    second.wait_for("that host serves another configuration in this state directory");
    // One key, one run.
    shop.run(&["run", "quick", "--request-key", "mine"]).code(0).out_has("run 1 of quick succeeded");
    shop.run(&["run", "quick", "--request-key", "mine"]).code(0).out_has("run 1 of quick succeeded");
    assert_eq!(shop.runs().len(), 1);
    // Who takes the same key for something else has made a mistake.
    shop.run(&["run", "build", "--request-key", "mine"])
        .code(2)
        .err_has("`mine` is the key of run 1 of quick");

    // A client's Ctrl-C is the run's.
    let client = shop.start(&["run", "build"]);
    shop.wait_for_node(2, "model.tiny.slow", "running");
    signal(client.id(), "-INT");
    shop.end(client).code(130).err_has("cancelling");
    assert_eq!(shop.show(2)["state"], "cancelled");
    assert_eq!(shop.status().unwrap()["pid"], second.pid(), "the service is none of its business");
}

#[test]
fn what_cannot_be_served_is_said() {
    let shop = tiny("[jobs.build]\nschedule = \"0 6 * * *\"\nsteps = [\"dbt run-operation noop\"]\n");
    shop.write(
        "tidegate.toml",
        &config("[jobs.build]\nschedule = \"0 25 * * *\"\nsteps = [\"dbt run-operation noop\"]\n"),
    );
    shop.run(&["serve"]).code(2).err_has("tidegate.toml:4").err_has("25");
    shop.run(&["serve", "--on-stop", "hope"]).code(2).err_has("hand-over");

    let berlin = "[jobs.night]\nschedule = \"30 2 * * *\"\ntime_zone = \"Europe/Berlin\"\nsteps = [\"dbt run-operation noop\"]\n";
    shop.write("tidegate.toml", &config(berlin));
    let from = ["schedules", "preview", "night", "-n", "3", "--from", "2027-03-27T00:00:00Z"];
    let said = shop.run(&from).code(0).out;
    let local: Vec<_> = said.lines().map(|line| line[..29].trim()).collect();
    // On the day on which 02:30 does not exist, it runs at the first moment after the gap.
    assert_eq!(
        local,
        ["Sat 2027-03-27 02:30:00 +01:0", "Sun 2027-03-28 03:00:00 +02:0", "Mon 2027-03-29 02:30:00 +02:0"],
        "{said}"
    );
    shop.run(&["schedules"]).code(0).err_has("`tidegate serve` is not running here");

    // A state directory of a newer version is left as it is.
    drop(shop.serve(&[]));
    let script =
        "import sqlite3; sqlite3.connect('.tidegate/tidegate.db').execute('pragma user_version = 99')";
    let python = crate::support::dbt_bin().join("python");
    let status =
        std::process::Command::new(python).args(["-c", script]).current_dir(shop.dir.path()).status();
    assert!(status.unwrap().success());
    shop.run(&["serve"]).code(2).err_has("version 99").err_has("hint: use the newer Tidegate");
}

#[test]
fn a_service_manager_and_a_log_reader_are_told_what_happens() {
    let shop = tiny("[jobs.build]\nsteps = [\"dbt run-operation noop\"]\n");
    let socket = UnixDatagram::bind(shop.file("notify")).unwrap();
    socket.set_read_timeout(Some(WAIT)).unwrap();
    let heard = || {
        let mut bytes = [0; 4096];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };
    let mut command = shop.command(&["serve", "--log-format", "json", "--log-level", "debug"]);
    command.env("NOTIFY_SOCKET", shop.file("notify"));
    let mut service = shop.serve_by(command);
    assert!(heard().starts_with("READY=1\n"));
    service.signal("-HUP");
    let reloading = heard();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(heard(), "READY=1\n");
    shop.run(&["run", "build"]).code(0);
    service.signal("-TERM");
    assert!(heard().starts_with("STOPPING=1\n"));
    assert_eq!(service.end(), Some(0));
    let log = service.log();
    let entries: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_run: Vec<_> =
        entries.iter().filter(|entry| entry["run"] == 1).map(|e| text(&e["message"])).collect();
    assert_eq!(
        of_run,
        ["run requested", "run started", "attempt started", "attempt finished", "run finished"],
        "{log}"
    );
    assert!(entries.iter().all(|entry| entry["level"].is_string() && entry["timestamp"].is_string()));
}

#[test]
fn a_file_with_mistakes_costs_no_run_and_hides_nothing() {
    let jobs = "[jobs.build]\nsteps = [\"dbt run --select held\"]\n\
                [jobs.behind]\nafter = [{ job = \"build\" }]\nsteps = [\"dbt run-operation noop\"]\n";
    let shop = tiny(jobs);
    shop.hold("models/held.py");
    shop.write("tidegate.toml", &format!("state_dir = \"state\"\n{}", config(jobs)));
    let service = shop.serve(&[]);
    let client = shop.start(&["run", "build"]);
    shop.wait_for_run(1, "running");
    shop.write("tidegate.toml", &format!("state_dir = \"state\"\n{}[jobs.half\n", config(jobs)));
    service.wait_for("the configuration was refused");
    shop.release();
    shop.end(client).code(0);
    // The host goes on with what it had, and so does what it starts; whoever looks sees it, and what is wrong.
    let runs = shop.wait_for_ends("behind", 1);
    assert_eq!(runs[0]["state"], "succeeded", "{}", service.log());
    shop.run(&["runs"]).code(0).out_has("behind").err_has("tidegate.toml:9");
    shop.run(&["logs", "2"]).code(0).out_has("Running with dbt").err_has("tidegate.toml:9");
    shop.run(&["runs", "cancel", "2"]).code(2).err_has("has ended already");
    shop.run(&["run", "build"]).code(2).err_has("tidegate.toml:9");
}

#[test]
fn a_host_that_hangs_keeps_nobody_waiting_for_ever() {
    let shop = tiny("[jobs.build]\nsteps = [\"dbt run-operation noop\"]\n");
    let mut service = shop.serve(&[]);
    service.signal("-STOP");
    let said = shop.run(&["status"]);
    assert_ne!(said.code, Some(0));
    assert!(said.err.contains("does not answer") && said.err.contains("hint: if it hangs"), "{}", said.err);
    service.signal("-CONT");
    shop.wait_for("its answer: it has lost nothing", || shop.status().is_some());
    service.signal("-TERM");
    assert_eq!(service.end(), Some(0));
}
