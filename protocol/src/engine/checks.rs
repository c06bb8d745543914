//! Whether a plan can be signed, has an effect, and is what its author means.

use std::collections::BTreeSet;

use super::Engine;
use super::admin::Plan;
use super::command::{Failure, FailureKind};
use super::preview::attempts;
use crate::control::{Alarm, ControlLog};
use crate::id::{DeviceId, ObjectId};
use crate::object::Payload;

impl Engine {
    /// Checks that what is planned can be signed, and says what is missing.
    pub(super) fn check_plan(&self, plan: &Plan) -> Result<(), Failure> {
        let log = self.log()?;
        let me = self.keys.device();
        for (n, payload) in plan.payloads.iter().enumerate() {
            if let Some(signer) = plan.signer_of(n) {
                if !self.root_may(log, signer.keys().device(), payload) {
                    return Err(Failure::new(
                        FailureKind::NotAdmin,
                        "this is not the company's root key, or the root may not do this",
                        "see `conclave log` for rotations of the root; `conclave recover` replaces \
                         a lost or stolen one",
                    ));
                }
            } else if log.authority_for(me, payload).is_none() {
                return Err(self.lacks_authority(payload));
            }
        }
        Ok(())
    }

    /// Says what will have no effect: against a senior that is refused; against an equal it is
    /// an appeal to whoever is senior to both.
    pub(super) fn check_effect(
        &self,
        plan: &mut Plan,
        after: &ControlLog,
        signed: &BTreeSet<ObjectId>,
    ) -> Result<(), Failure> {
        let admins =
            |log: &ControlLog| log.admin_grants().filter(|(id, _)| log.in_force(*id)).count();
        if admins(self.log()?) > 0 && admins(after) == 0 {
            plan.warnings.push(
                "nobody is an admin after this: only the root key can appoint one".to_owned(),
            );
        }
        for attempt in attempts(after, signed) {
            match attempt {
                Alarm::DuelOfEquals { .. } => {
                    plan.powerless = true;
                    plan.warnings.push(
                        "this has no effect, because it is aimed at an equal: everybody will see \
                         an alarm, and a more senior admin, or the root key, has to decide"
                            .to_owned(),
                    );
                }
                _ => {
                    return Err(Failure::new(
                        FailureKind::NotAdmin,
                        "this device's authority is not senior enough: only a strictly more \
                         senior admin can end an admin's authority, or dismiss an admin",
                        "see `conclave admin list`; for an admin of rank 1 the root key is \
                         needed: `--root-key FILE`",
                    ));
                }
            }
        }
        Ok(())
    }

    fn root_may(&self, log: &ControlLog, key: DeviceId, payload: &Payload) -> bool {
        if let Payload::RootRotate(rotate) = payload {
            return log.recovery_commitment() == Some(crate::keys::recovery_hash(key, rotate.next));
        }
        log.root().is_some_and(|(root, _)| root == key) && log.root_could_issue(payload)
    }

    fn lacks_authority(&self, payload: &Payload) -> Failure {
        let (what, hint) = match payload {
            Payload::AdminGrant(g) if g.rank == 1 => (
                "only the root key makes admins of rank 1".to_owned(),
                "give the root key with `--root-key FILE`, or choose a higher number as rank",
            ),
            Payload::AdminGrant(_) => (
                "this device may not make such an admin: it needs the capability `admins`, a more \
                 senior rank, and no narrower rights and scope than it gives"
                    .to_owned(),
                "see `conclave admin list`",
            ),
            _ => (
                "this device has no grant to do this".to_owned(),
                "ask an admin of the company to do it; see `conclave admin list`",
            ),
        };
        Failure::new(FailureKind::NotAdmin, what, hint)
    }

    /// A cut is a place on one branch of a chain: of a forked one, the other branch is lost.
    pub(super) fn warn_of_forks(&self, plan: &mut Plan) {
        let Ok(log) = self.log() else { return };
        let forked: BTreeSet<DeviceId> = log.equivocations().map(|(device, _)| device).collect();
        let cut = |payload: &Payload| match payload {
            Payload::Revoke(r) => r.control_cuts.iter().any(|cut| forked.contains(&cut.device)),
            _ => false,
        };
        if plan.payloads.iter().any(cut) {
            plan.warnings.push(
                "the device signed on two branches, and the cut leaves only one of them: look at \
                 `conclave log` and choose the last good object with `--last-good`"
                    .to_owned(),
            );
        }
    }
}
