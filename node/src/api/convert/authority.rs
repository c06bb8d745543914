//! What admins see and change.

use conclave_protocol::view;

use crate::api::time::Time;
use crate::api::types::{
    Admin, Alarm, Applied, Effects, LogEntry, MissingDevice, Named, RoomEffects, Why, WhyLink,
};

impl From<view::AdminView> for Admin {
    fn from(admin: view::AdminView) -> Self {
        Self {
            grant: admin.grant,
            agent: admin.agent.into(),
            device: admin.device,
            rank: admin.rank,
            may: admin.may.into_iter().map(str::to_owned).collect(),
            scope: admin.scope,
            in_force: admin.in_force,
            ended_by: admin.ended_by,
        }
    }
}

impl From<view::Preview> for Effects {
    fn from(preview: view::Preview) -> Self {
        Self {
            rooms: preview.rooms.into_iter().map(RoomEffects::from).collect(),
            dismissed: preview.dismissed.into_iter().map(Named::from).collect(),
            returned: preview.returned.into_iter().map(Named::from).collect(),
            admins_ended: preview.admins_ended.into_iter().map(Admin::from).collect(),
            voided: preview.voided,
            restored: preview.restored,
            warnings: preview.warnings,
            powerless: preview.powerless,
            kept: preview.kept.into_iter().map(Named::from).collect(),
        }
    }
}

impl From<view::RoomPreview> for RoomEffects {
    fn from(room: view::RoomPreview) -> Self {
        Self {
            room: room.room.into(),
            lose: room.lose.into_iter().map(Named::from).collect(),
            gain: room.gain.into_iter().map(Named::from).collect(),
            messages_lost: room.messages_lost,
            nobody_left: room.nobody_left,
        }
    }
}

impl From<view::AppliedView> for Applied {
    fn from(applied: view::AppliedView) -> Self {
        let missing = applied.missing.into_iter().map(|missing| MissingDevice {
            agent: missing.agent.into(),
            device: missing.device,
            last_seen: missing.last_seen.map(Time),
        });
        Self { devices: applied.devices, applied: applied.applied, missing: missing.collect() }
    }
}

impl From<view::LogLine> for LogEntry {
    fn from(line: view::LogLine) -> Self {
        Self {
            id: line.id,
            kind: line.kind.to_owned(),
            height: line.height,
            seq: line.seq,
            author: line.author,
            agent: line.agent.map(Named::from),
            authority: line.authority,
            rank: line.rank,
            state: line.state.to_owned(),
            text: line.text,
            cut_by: line.cut_by,
            ratify: line.ratify,
            heard: line.heard.map(Time),
        }
    }
}

impl From<view::WhyView> for Why {
    fn from(why: view::WhyView) -> Self {
        Self {
            id: why.id,
            kind: why.kind.map(str::to_owned),
            state: why.state,
            summary: why.summary,
            chain: why.chain.into_iter().map(WhyLink::from).collect(),
            failing: why.failing,
            cut_by: why.cut_by,
            ended_by: why.ended_by,
            missing: why.missing,
            ratify: why.ratify,
        }
    }
}

impl From<view::WhyLink> for WhyLink {
    fn from(link: view::WhyLink) -> Self {
        Self {
            id: link.id,
            kind: link.kind.to_owned(),
            author: link.author,
            holds: link.holds,
            text: link.text,
            heard: link.heard.map(Time),
        }
    }
}

impl From<view::AlarmView> for Alarm {
    fn from(alarm: view::AlarmView) -> Self {
        Self { kind: alarm.kind.to_owned(), message: alarm.message, objects: alarm.objects }
    }
}
