//! `tidegate token`: who may ask over the network.

use clap::{Subcommand, ValueEnum};

use super::{
    Context, Exit, Failure,
    host::{Handle, join},
    launch::user,
    printer::{self, FAINT, styled},
};
use crate::{
    engine::{Client, Front, Role as Errand, Unable},
    model::{By, Role},
};

/// Makes, lists and revokes tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token, and print it: it is shown only now
    New {
        /// Who has it, for the audit trail
        name: String,
        /// What whoever has it may do
        #[arg(long, value_enum)]
        role: RoleName,
    },
    /// List the tokens; of none is known how it reads
    Ls {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a token worth nothing, at once
    Revoke {
        /// Its name
        name: String,
    },
    /// Exchange a token for another one of the same name and role, and print that
    Rotate {
        /// Its name
        name: String,
    },
}

/// What whoever has a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleName {
    /// See everything
    Read,
    /// Change things too
    Operate,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Read => Self::Read,
            RoleName::Operate => Self::Operate,
        }
    }
}

impl TokenCommand {
    /// Does it.
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Self::New { name, role } => {
                let role = Role::from(role);
                let front = |front: &Front| front.new_token(name.clone(), role, By::new(user(), "cli"));
                let token = ask(context, |client| Ok(client.new_token(&name, role)?), front)?;
                shown(&token)
            }
            Self::Rotate { name } => {
                let front = |front: &Front| front.rotate_token(name.clone(), By::new(user(), "cli"));
                let token = ask(context, |client| Ok(client.rotate_token(&name)?), front)?;
                shown(&token)
            }
            Self::Revoke { name } => {
                let front = |front: &Front| front.revoke_token(name.clone(), By::new(user(), "cli"));
                ask(context, |client| Ok(client.revoke_token(&name)?), front)?;
                printer::note(format!("the token `{name}` is worth nothing any more"));
                Ok(Exit::Done)
            }
            Self::Ls { json } => list(context, json),
        }
    }
}

/// Has the host do it, or is the host for as long as it takes.
fn ask<T>(
    context: &Context,
    client: impl FnOnce(Client) -> Result<T, Failure>,
    front: impl FnOnce(&Front) -> Result<T, Unable>,
) -> Result<T, Failure> {
    match join(context.config.clone(), Errand::Chore)? {
        Handle::Client(host) => client(host),
        Handle::Host(host) => {
            let done = front(host.front());
            host.leave(done)
        }
    }
}

fn shown(token: &str) -> Result<Exit, Failure> {
    printer::note("keep it where secrets are: it is shown only now");
    printer::line(token);
    Ok(Exit::Done)
}

fn list(context: &Context, json: bool) -> Result<Exit, Failure> {
    let tokens: Vec<_> = context.reader()?.tokens()?.into_iter().map(|known| known.token).collect();
    if json {
        printer::json(&tokens)?;
        return Ok(Exit::Done);
    }
    if tokens.is_empty() {
        printer::note("there are no tokens; `tidegate token new NAME --role read` makes one");
        return Ok(Exit::Done);
    }
    let mut table = vec![["name", "role", "made", "exchanged"].map(|h| styled(FAINT, h)).to_vec()];
    for token in &tokens {
        let exchanged = token.rotated_at.map(printer::time).unwrap_or_default();
        let row =
            [token.name.clone(), token.role.as_str().to_owned(), printer::time(token.created_at), exchanged];
        table.push(row.to_vec());
    }
    printer::table(&table);
    Ok(Exit::Done)
}
