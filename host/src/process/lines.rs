//! Cutting what comes out of a pipe into lines, in bounded memory. Bytes are bytes here: what they mean, and whether they
//! are text at all, is for others to say.

use std::io::{self, Read};

/// How much is read at once.
pub(super) const CHUNK: usize = 64 << 10;

/// A part of what came out of a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// One or more whole lines, each with its end.
    Lines(&'a [u8]),
    /// The beginning of a line that is too long; what is behind it is dropped up to the line's end. It is at least as
    /// long as a line may be, and longer by the slack where that much was there.
    Beginning(&'a [u8]),
}

/// The lines of one pipe.
#[derive(Debug)]
pub(super) struct Lines {
    longest: usize,
    /// How much of a line is looked at behind the longest that is kept: a secret that begins before the cut has to be
    /// seen as a whole.
    slack: usize,
    /// A line whose end has not come yet.
    begun: Vec<u8>,
    /// The rest of a line that was too long is passing.
    dropping: bool,
}

impl Lines {
    pub(super) fn new(longest: usize, slack: usize) -> Self {
        Self { longest, slack, begun: Vec::new(), dropping: false }
    }

    /// Takes what was read, and hands on what is complete.
    pub(super) fn push(&mut self, mut fresh: &[u8], mut take: impl FnMut(Piece<'_>)) {
        if self.dropping {
            let Some(end) = fresh.iter().position(|b| *b == b'\n') else { return };
            fresh = &fresh[end + 1..];
            self.dropping = false;
        }
        // Only what is new is searched: a long line costs no more than its length.
        let Some(end) = fresh.iter().rposition(|b| *b == b'\n') else {
            self.begun.extend_from_slice(fresh);
            return self.cut(take);
        };
        let (whole, rest) = fresh.split_at(end + 1);
        if self.begun.is_empty() {
            hand_on(whole, self.longest, &mut take);
        } else {
            self.begun.extend_from_slice(whole);
            hand_on(&self.begun, self.longest, &mut take);
            self.begun.clear();
        }
        self.begun.extend_from_slice(rest);
        self.cut(take);
    }

    fn cut(&mut self, mut take: impl FnMut(Piece<'_>)) {
        if self.begun.len() > self.longest.saturating_add(self.slack) {
            take(Piece::Beginning(&self.begun));
            self.begun = Vec::new();
            self.dropping = true;
        }
    }

    /// Nothing more will come: a line without an end is a line too.
    pub(super) fn finish(&mut self, mut take: impl FnMut(Piece<'_>)) {
        if !self.begun.is_empty() {
            self.begun.push(b'\n');
            hand_on(&self.begun, self.longest, &mut take);
            self.begun = Vec::new();
        }
    }
}

/// Whole lines; those that are too long one by one.
fn hand_on(whole: &[u8], longest: usize, take: &mut impl FnMut(Piece<'_>)) {
    if whole.len() <= longest {
        return take(Piece::Lines(whole));
    }
    for line in whole.split_inclusive(|b| *b == b'\n') {
        take(if line.len() - 1 > longest {
            Piece::Beginning(&line[..line.len() - 1])
        } else {
            Piece::Lines(line)
        });
    }
}

/// Where to cut a line so that at most `longest` bytes are left, and no character is halved.
pub(super) fn boundary(line: &[u8], longest: usize) -> usize {
    let end = longest.min(line.len());
    let is_continuation = |at: usize| line.get(at).is_some_and(|b| b & 0xc0 == 0x80);
    (end.saturating_sub(3)..=end).rev().find(|at| !is_continuation(*at)).unwrap_or(end)
}

/// Reads a pipe to its end, and hands on each block of whole lines; of a line that is too long, its beginning.
pub(super) fn read_lines(mut pipe: impl Read, longest: usize, mut take: impl FnMut(&[u8])) {
    let mut take = |piece: Piece<'_>| match piece {
        Piece::Lines(lines) => take(lines),
        Piece::Beginning(line) => {
            let mut line = line[..boundary(line, longest)].to_vec();
            line.push(b'\n');
            take(&line);
        }
    };
    let mut lines = Lines::new(longest, 0);
    let mut chunk = vec![0; CHUNK];
    loop {
        match pipe.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => lines.push(&chunk[..n], &mut take),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    lines.finish(&mut take);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The lines, cut where they are too long, however the text comes in.
    fn cut(text: &[u8], chunks: &[usize], longest: usize, slack: usize) -> Vec<Vec<u8>> {
        let (mut lines, mut out) = (Lines::new(longest, slack), Vec::new());
        let mut take = |piece: Piece<'_>| match piece {
            Piece::Lines(lines) => out.extend(lines.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec)),
            Piece::Beginning(line) => {
                assert!(line.len() > longest);
                out.push(line[..longest].to_vec());
            }
        };
        let (mut rest, mut sizes) = (text, chunks.iter().cycle());
        while !rest.is_empty() {
            let (now, later) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
            lines.push(now, &mut take);
            rest = later;
        }
        lines.finish(&mut take);
        out
    }

    proptest! {
        #[test]
        fn how_the_text_comes_in_makes_no_difference(
            text in proptest::collection::vec(prop_oneof![3 => Just(b'\n'), 10 => any::<u8>()], 0..400),
            chunks in proptest::collection::vec(1_usize..50, 1..10),
            longest in 1_usize..40,
            slack in 0_usize..10,
        ) {
            let mut expected: Vec<Vec<u8>> = text.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
            for line in &mut expected {
                if line.last() != Some(&b'\n') {
                    line.push(b'\n');
                }
                if line.len() - 1 > longest {
                    line.truncate(longest);
                }
            }
            prop_assert_eq!(cut(&text, &chunks, longest, slack), expected);
        }
    }

    #[test]
    fn no_character_is_halved_by_a_cut() {
        let line = "aé€𝄞".as_bytes();
        let cuts: Vec<_> = (0..=line.len()).map(|longest| boundary(line, longest)).collect();
        assert_eq!(cuts, [0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10]);
        assert_eq!(boundary(&[0x80; 10], 5), 5, "what is no text is cut anywhere");
    }
}
