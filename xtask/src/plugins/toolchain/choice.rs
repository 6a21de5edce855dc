//! Where a tool chain for WebAssembly comes from: the decision.
//!
//! Owns the modes and the order of the ways in each. Never looks at the machine: the facts are given.

use anyhow::{Result, bail};
use std::fmt;

/// Where the tool chain may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// What is there; else rustup; else Debian's packages.
    Auto,
    /// Cargo's own compiler, with rustup's help where it lacks the target.
    Rustup,
    /// What is there; else Debian's packages. Rustup downloads nothing.
    DebianIfMissing,
    /// Debian's packages.
    Debian,
}

/// What is known of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Cargo's own compiler has the target's standard library.
    pub installed: bool,
    /// Debian's compiler is in the cache, complete.
    pub cached: bool,
    /// There is a rustup.
    pub rustup: bool,
    /// There is an apt.
    pub apt: bool,
}

/// A way to a tool chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Take cargo's own compiler as it is.
    Installed,
    /// Let rustup add the target to it.
    Rustup,
    /// Take Debian's compiler from the cache.
    Cached,
    /// Unpack Debian's compiler into the cache.
    Debian,
}

impl Mode {
    /// Reads a mode as the environment variable names it.
    pub fn parse(word: &str) -> Result<Self> {
        Ok(match word {
            "" | "auto" => Self::Auto,
            "rustup" => Self::Rustup,
            "debian-if-missing" => Self::DebianIfMissing,
            "debian" => Self::Debian,
            _ => bail!(
                "{} is `{word}`; it can be `auto`, `rustup`, `debian-if-missing` or `debian`",
                super::MODE_VARIABLE
            ),
        })
    }
}

/// The ways to try, in order: more than one only where a way can fail and the mode allows another.
pub fn choose(mode: Mode, facts: &Facts) -> Result<Vec<Way>> {
    let mut ways = Vec::new();
    let (own, debian) = match mode {
        Mode::Auto | Mode::DebianIfMissing => (true, true),
        Mode::Rustup => (true, false),
        Mode::Debian => (false, true),
    };
    if own && facts.installed {
        return Ok(vec![Way::Installed]);
    }
    if debian && facts.cached {
        return Ok(vec![Way::Cached]);
    }
    if own && facts.rustup && mode != Mode::DebianIfMissing {
        ways.push(Way::Rustup);
    }
    if debian && facts.apt {
        ways.push(Way::Debian);
    }
    if ways.is_empty() {
        let target = super::TARGET;
        let missing = match mode {
            Mode::Auto => "there is neither rustup nor apt to get it from",
            Mode::Rustup => "there is no rustup to get it from",
            Mode::DebianIfMissing | Mode::Debian => "there is no apt to get Debian's compiler with",
        };
        bail!(
            "no compiler for {target}: {missing}\nhint: `rustup target add {target}`, or install your distribution's \
             standard library for it"
        );
    }
    Ok(ways)
}

impl fmt::Display for Way {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Installed => "the installed compiler",
            Self::Rustup => "rustup",
            Self::Cached => "Debian's compiler from the cache",
            Self::Debian => "Debian's compiler",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Mode::{Auto, Debian, DebianIfMissing, Rustup};

    const MODES: [Mode; 4] = [Auto, Rustup, DebianIfMissing, Debian];
    const NOTHING: Facts = Facts { installed: false, cached: false, rustup: false, apt: false };
    const ALL: Facts = Facts { installed: true, cached: true, rustup: true, apt: true };

    #[test]
    fn modes_have_names() {
        let words = ["auto", "rustup", "debian-if-missing", "debian"];
        for (word, mode) in words.into_iter().zip(MODES) {
            assert_eq!(Mode::parse(word).unwrap(), mode);
        }
        assert_eq!(Mode::parse("").unwrap(), Auto);
        let error = Mode::parse("Debian").unwrap_err().to_string();
        assert!(error.starts_with("TIDEGATE_WASM_TOOLCHAIN is `Debian`; it can be `auto`"), "{error}");
    }

    #[test]
    fn the_installed_compiler_is_taken_as_it_is() {
        for mode in [Auto, Rustup, DebianIfMissing] {
            assert_eq!(choose(mode, &ALL).unwrap(), [Way::Installed], "{mode:?}");
        }
        assert_eq!(choose(Debian, &ALL).unwrap(), [Way::Cached]);
    }

    #[test]
    fn the_cache_comes_before_any_download() {
        let facts = Facts { installed: false, ..ALL };
        for mode in [Auto, DebianIfMissing, Debian] {
            assert_eq!(choose(mode, &facts).unwrap(), [Way::Cached], "{mode:?}");
        }
        assert_eq!(choose(Rustup, &facts).unwrap(), [Way::Rustup]);
    }

    #[test]
    fn downloads_come_in_the_order_of_the_mode() {
        let facts = Facts { rustup: true, apt: true, ..NOTHING };
        assert_eq!(choose(Auto, &facts).unwrap(), [Way::Rustup, Way::Debian]);
        assert_eq!(choose(Rustup, &facts).unwrap(), [Way::Rustup]);
        assert_eq!(choose(DebianIfMissing, &facts).unwrap(), [Way::Debian]);
        assert_eq!(choose(Debian, &facts).unwrap(), [Way::Debian]);
    }

    #[test]
    fn what_is_not_there_is_not_tried() {
        let only_apt = Facts { apt: true, ..NOTHING };
        assert_eq!(choose(Auto, &only_apt).unwrap(), [Way::Debian]);
        assert!(choose(Rustup, &only_apt).is_err());
        let only_rustup = Facts { rustup: true, ..NOTHING };
        assert_eq!(choose(Auto, &only_rustup).unwrap(), [Way::Rustup]);
        for mode in [DebianIfMissing, Debian] {
            let error = choose(mode, &only_rustup).unwrap_err().to_string();
            assert!(error.contains("there is no apt"), "{mode:?}: {error}");
        }
    }

    #[test]
    fn a_compiler_of_its_own_is_never_debians() {
        let installed = Facts { installed: true, apt: true, ..NOTHING };
        assert_eq!(choose(Debian, &installed).unwrap(), [Way::Debian]);
    }

    #[test]
    fn where_there_is_nothing_the_error_says_what_to_do() {
        for mode in MODES {
            let error = choose(mode, &NOTHING).unwrap_err().to_string();
            assert!(error.contains("no compiler for wasm32-unknown-unknown"), "{mode:?}: {error}");
            assert!(error.contains("hint: `rustup target add wasm32-unknown-unknown`"), "{mode:?}: {error}");
        }
    }
}
