//! Refusing to let a device in, and being refused.
//!
//! Who was refused asks no more, also after a restart, until its user asks anew with a new
//! request: [`Engine::asking_anew`]. Nothing of it is kept by the admin for longer than a request
//! lives, and nothing enters the log: the device proved nothing but its key.

use super::command::{Failure, FailureKind, Outcome};
use super::io::{Effect, Event, Table, Write};
use super::joining::JoinClient;
use super::load::id_at;
use super::{Engine, JoinWish};
use crate::id::CompanyId;
use crate::name::check_name;
use crate::view::{CompanyRef, JoinState};

/// The key, in [`Table::State`], that is there once this device was refused; the value is the id
/// of the company and its name.
const REFUSED: &[u8] = b"refused";

/// The newcomer's side.
impl Engine {
    /// What a store has to forget when its user asks to be let in once more.
    #[must_use]
    pub fn asking_anew() -> Vec<Write> {
        vec![Write { table: Table::State, key: REFUSED.to_vec(), value: None }]
    }

    /// This device's own request after a start.
    pub(super) fn load_wish(&mut self, wish: JoinWish) {
        let mut join = JoinClient::new(wish);
        let row = self.reader.get(Table::State, REFUSED);
        let refused = row.and_then(|row| {
            let id = CompanyId(id_at(&row, 0)?);
            let name = String::from_utf8(row.get(32..)?.to_vec()).ok()?;
            check_name(&name).is_ok().then_some(CompanyRef { id, name })
        });
        if let Some(company) = refused {
            join.refused(company);
        }
        self.join = Some(join);
    }

    /// An admin has said no.
    pub(super) fn join_refused(&mut self, company: CompanyRef) {
        let row = [&company.id.0[..], company.name.as_bytes()].concat();
        self.write(Table::State, REFUSED, row);
        let Some(join) = self.join.as_mut() else { return };
        join.refused(company);
        let view = join.view();
        self.emit(Effect::Event(Event::Join(view)));
    }

    /// Whether this device was refused and has not asked anew.
    pub(super) fn is_refused(&self) -> bool {
        self.join.as_ref().is_some_and(|join| join.view().state == JoinState::Refused)
    }
}

/// The admin's side.
impl Engine {
    /// Says no to a device. The code is needed only to tell several of one name apart: nothing
    /// rests on it.
    pub(super) fn refuse_newcomer(
        &mut self,
        name: &str,
        code: Option<&str>,
    ) -> Result<Outcome, Failure> {
        self.require_approver()?;
        if let Some(refused) = self.refuse_confirmed(name, code) {
            return Ok(refused);
        }
        let newcomer = match code {
            Some(code) => self.requested(name, code)?,
            None => {
                let mut named = self.requests_named(name)?;
                if named.len() > 1 {
                    return Err(Failure::new(
                        FailureKind::Conflict,
                        format!("{} devices ask as \"{name}\"; nothing was changed", named.len()),
                        "say which by its safety code or its device: see `conclave agent requests`",
                    ));
                }
                named.remove(0)
            }
        };
        self.desk.refuse(newcomer.device, self.now);
        self.emit(Effect::Event(Event::JoinRequests));
        Ok(Outcome::Refused { name: newcomer.name, device: newcomer.device })
    }
}
