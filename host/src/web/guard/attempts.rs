//! Those who come with what is no token, by where they come from: who does so too often is kept out for a while. A token that
//! is one is never refused for what others did, even where all of them come through one proxy.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::Peer;

/// So many attempts may fail within a span.
const MOST: u32 = 10;
const SPAN: Duration = Duration::from_secs(60);

/// So many places are remembered. Who has more of them gains nothing: nobody guesses 256 bits.
const PLACES: usize = 4096;

/// What failed lately, by place.
#[derive(Default)]
pub struct Attempts(Mutex<HashMap<IpAddr, Failures>>);

struct Failures {
    since: Instant,
    count: u32,
}

/// What a failed attempt leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The first in a while.
    First,
    /// One more.
    Another,
    /// One too many, for the first time: kept out for so long.
    KeptOut(Duration),
    /// Kept out still.
    StillOut(Duration),
}

impl Attempts {
    /// Counts an attempt that has failed.
    pub fn failed(&self, peer: &Peer, now: Instant) -> Verdict {
        let Peer::Address(address) = peer else { return Verdict::Another };
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= PLACES {
            places.retain(|_, failures| now.duration_since(failures.since) < SPAN);
        }
        if places.len() >= PLACES {
            places.clear();
        }
        let place = place(address.ip().to_canonical());
        let failures = places.entry(place).or_insert(Failures { since: now, count: 0 });
        if now.duration_since(failures.since) >= SPAN {
            *failures = Failures { since: now, count: 0 };
        }
        failures.count = failures.count.saturating_add(1);
        let left = SPAN.saturating_sub(now.duration_since(failures.since));
        match failures.count {
            1 => Verdict::First,
            count if count <= MOST => Verdict::Another,
            count if count == MOST + 1 => Verdict::KeptOut(left),
            _ => Verdict::StillOut(left),
        }
    }
}

/// One subscriber has a whole network of IPv6.
fn place(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_too_often_is_kept_out_for_a_while_and_nobody_else_is() {
        let attempts = Attempts::default();
        let begin = Instant::now();
        let peer = |text: &str| Peer::Address(text.parse().unwrap());
        let fail = |who: &str, second| attempts.failed(&peer(who), begin + Duration::from_secs(second));
        assert_eq!(fail("10.0.0.1:1", 0), Verdict::First);
        for _ in 2..=MOST {
            assert_eq!(fail("10.0.0.1:2", 1), Verdict::Another);
        }
        assert_eq!(fail("10.0.0.1:3", 20), Verdict::KeptOut(Duration::from_secs(40)));
        assert_eq!(fail("10.0.0.1:3", 30), Verdict::StillOut(Duration::from_secs(30)));
        assert_eq!(fail("10.0.0.2:3", 30), Verdict::First);
        assert_eq!(fail("10.0.0.1:3", 60), Verdict::First);
        assert_eq!(fail("[2001:db8::1]:1", 0), Verdict::First);
        assert_eq!(fail("[2001:db8::2]:1", 0), Verdict::Another, "the same network");
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let attempts = Attempts::default();
        for n in 0..3 * PLACES as u32 {
            let address = format!("{}:1", std::net::Ipv4Addr::from(n));
            attempts.failed(&Peer::Address(address.parse().unwrap()), Instant::now());
        }
        assert!(attempts.0.lock().unwrap().len() <= PLACES);
    }
}
