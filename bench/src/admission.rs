//! Admission: what a request costs until it is accepted, beside the naive way, and what the turn of a run costs.
//!
//! Owns the naive way: one durable SQLite transaction for each request, and nothing else.

use std::{
    fmt, thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use rusqlite::{Connection, params};
use serde::Serialize;

use crate::{
    bounds::{ADMISSION, TURN, Verdict},
    figures::{Figures, Unit},
    host::{JOBS, QUEUED, Site},
    note,
    setting::Setting,
};

/// What was measured.
#[derive(Serialize)]
pub struct Report {
    rounds: usize,
    /// Requests in each round.
    requests: usize,
    /// Seconds for each request.
    accepted: Figures,
    naive: Figures,
    /// Pair by pair.
    ratio: Figures,
    /// Seconds for all requests, by the number of them.
    amortized: f64,
    /// Seconds for each run from its turn to its end, where it is refused.
    turn: f64,
    turns: usize,
}

/// Measures `QUEUED` requests in `rounds` rounds, alternating with the naive way, and then their turns.
pub fn run(setting: &Setting, rounds: u32) -> Result<Report> {
    let site = Site::new(setting.folder("admission"), |_| "0 0 1 1 *".to_owned())?;
    let host = site.serve(setting)?;
    let mut naive = Naive::open(&site)?;
    let rounds = rounds as usize;
    let requests = QUEUED.div_ceil(rounds);
    note(&format!("admission: {rounds} rounds of {requests} requests each way"));
    let mut pairs = Vec::new();
    for round in 0..rounds {
        let bodies = (0..requests)
            .map(|number| Ok(serde_json::to_string(&site.request(round, number)?)?))
            .collect::<Result<Vec<_>>>()?;
        let accepted = site.ask(&host, round, requests)?;
        pairs.push((accepted / requests as f64, naive.keep(round, &bodies)? / requests as f64));
    }
    // The first of all has had its turn.
    let turns = rounds * requests;
    host.waits_with(turns - 1)?;

    note(&format!("admission: the turns of {turns} runs"));
    let begun = Instant::now();
    site.let_go()?;
    let mut left = turns;
    let turn = loop {
        thread::sleep(Duration::from_millis(100));
        let Some(status) = host.status() else { bail!("the host does not answer any more") };
        let now = status.queued as usize + status.running.len();
        if now == 0 {
            break begun.elapsed().as_secs_f64() / turns as f64;
        }
        if now > left {
            bail!("the queue grows");
        }
        left = now;
    };
    host.stop()?;
    Ok(Report {
        rounds,
        requests,
        accepted: Figures::of(pairs.iter().map(|pair| pair.0)),
        naive: Figures::of(pairs.iter().map(|pair| pair.1)),
        ratio: Figures::of(pairs.iter().map(|pair| pair.0 / pair.1)),
        amortized: pairs.iter().map(|pair| pair.0).sum::<f64>() / rounds as f64,
        turn,
        turns,
    })
}

/// A table of requests.
struct Naive(Connection);

impl Naive {
    fn open(site: &Site) -> Result<Self> {
        let connection = Connection::open(site.file("naive.db"))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(
            "CREATE TABLE request (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, body TEXT NOT NULL)",
        )?;
        Ok(Self(connection))
    }

    /// Keeps requests, and says how many seconds that took.
    fn keep(&mut self, round: usize, bodies: &[String]) -> Result<f64> {
        let begun = Instant::now();
        for (number, body) in bodies.iter().enumerate() {
            let transaction = self.0.transaction()?;
            let key = format!("{round}-{number}");
            transaction
                .prepare_cached("INSERT INTO request (key, body) VALUES (?1, ?2)")?
                .execute(params![key, body])?;
            transaction.commit()?;
        }
        Ok(begun.elapsed().as_secs_f64())
    }
}

impl Report {
    /// The figures that have bounds, held against them.
    pub fn verdicts(&self) -> [Verdict; 2] {
        [ADMISSION.judge(self.amortized), TURN.judge(self.turn)]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |figures: &Figures| figures.shown(Unit::Milliseconds);
        writeln!(
            f,
            "admission: requests through the socket of a host with {JOBS} schedules; {} rounds of {}, alternating with a \
             durable transaction of SQLite for each",
            self.rounds, self.requests
        )?;
        writeln!(f, "median (least–most), for each request")?;
        writeln!(f, "{:<26}{:<26}ratio, pair by pair", "accepted by the host", "naive")?;
        let ratio = self.ratio.shown(Unit::Times);
        writeln!(f, "{:<26}{:<26}{ratio}", time(&self.accepted), time(&self.naive))?;
        let turn = Unit::Milliseconds.shown(self.turn);
        write!(f, "{} runs from the queue to their end, where each is refused: {turn} each", self.turns)
    }
}
