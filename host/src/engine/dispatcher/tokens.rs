//! What someone does to the host itself, on record; and tokens, which are made, changed and revoked in one place.

use super::Dispatcher;
use crate::{
    engine::Refusal,
    model::{HostEvent, HostEventKind, nearest},
    store::{Entry, StoreError},
};

impl Dispatcher {
    /// Puts on record what happened to the host.
    pub(super) fn note_of_host(&mut self, kind: HostEventKind) -> Result<(), StoreError> {
        self.record(vec![Entry::Host(HostEvent { at: self.world.now(), kind })])
    }

    /// Makes, changes or revokes a token.
    pub(super) fn change_token(&mut self, kind: HostEventKind) -> Result<Result<(), Refusal>, StoreError> {
        let tokens = self.store.tokens()?;
        let is_known = |name: &str| tokens.iter().any(|known| known.token.name == name);
        match &kind {
            HostEventKind::TokenCreated { name, .. } if is_known(name) => {
                let hint = format!("`tidegate token rotate {name}` exchanges it for another one");
                return Ok(Err(Refusal {
                    hint: Some(hint),
                    ..Refusal::new(format!("there is a token `{name}` already"))
                }));
            }
            HostEventKind::TokenRotated { name, .. } | HostEventKind::TokenRevoked { name, .. }
                if !is_known(name) =>
            {
                let near = nearest(name, tokens.iter().map(|known| known.token.name.as_str()));
                let hint = near.map(|near| format!("did you mean `{near}`?"));
                return Ok(Err(Refusal { hint, ..Refusal::new(format!("there is no token `{name}`")) }));
            }
            _ => {}
        }
        self.note_of_host(kind)?;
        Ok(Ok(()))
    }
}
