//! A control object as a whole: header and payload, what it refers to, and its own rules.

use minicbor::{Decode, Encode};

use super::{
    AdminGrant, AgentCert, CONTROL_VERSION, DeviceCert, FieldValue, Genesis, Header, MemberGrant,
    ObjectError, ObjectType, Permit, Principal, Ratify, Revoke, RoomCreate, RoomCut, RootRotate,
    SetField, UnitCreate, UnitKind,
};
use crate::codec::{self, CodecError};
use crate::id::{ObjectId, UnitId};
use crate::limits::{HEIGHT_MAX, OBJECT_BYTES_MAX, OVERRIDES_MAX, TOPIC_CHARS_MAX};
use crate::name::check_name;

/// The payload of a control object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// See [`AdminGrant`].
    AdminGrant(AdminGrant),
    /// See [`UnitCreate`].
    UnitCreate(UnitCreate),
    /// See [`AgentCert`].
    AgentCert(AgentCert),
    /// See [`DeviceCert`].
    DeviceCert(DeviceCert),
    /// See [`MemberGrant`].
    MemberGrant(MemberGrant),
    /// See [`RoomCreate`].
    RoomCreate(RoomCreate),
    /// See [`Permit`].
    Permit(Permit),
    /// See [`Revoke`].
    Revoke(Revoke),
    /// See [`RootRotate`].
    RootRotate(RootRotate),
    /// See [`RoomCut`].
    RoomCut(RoomCut),
    /// See [`Ratify`].
    Ratify(Ratify),
    /// See [`SetField`].
    SetField(SetField),
}

impl Payload {
    /// The type that stands beside the body on the wire.
    #[must_use]
    pub fn object_type(&self) -> ObjectType {
        match self {
            Self::AdminGrant(_) => ObjectType::AdminGrant,
            Self::UnitCreate(_) => ObjectType::UnitCreate,
            Self::AgentCert(_) => ObjectType::AgentCert,
            Self::DeviceCert(_) => ObjectType::DeviceCert,
            Self::MemberGrant(_) => ObjectType::MemberGrant,
            Self::RoomCreate(_) => ObjectType::RoomCreate,
            Self::Permit(_) => ObjectType::Permit,
            Self::Revoke(_) => ObjectType::Revoke,
            Self::RootRotate(_) => ObjectType::RootRotate,
            Self::RoomCut(_) => ObjectType::RoomCut,
            Self::Ratify(_) => ObjectType::Ratify,
            Self::SetField(_) => ObjectType::SetField,
        }
    }

    /// The objects that the payload refers to. [`UnitId::ROLE_AGENT`] is built in and no
    /// object.
    #[must_use]
    pub fn references(&self) -> Vec<ObjectId> {
        let mut refs: Vec<ObjectId> = Vec::new();
        match self {
            Self::AdminGrant(g) => {
                refs.push(g.agent.into());
                refs.extend(g.scope.map(ObjectId::from));
                refs.extend(&g.overrides);
            }
            Self::UnitCreate(u) => refs.extend(u.parent.map(ObjectId::from)),
            Self::AgentCert(_) | Self::RoomCreate(_) => {}
            Self::DeviceCert(c) => refs.push(c.agent.into()),
            Self::MemberGrant(g) => {
                refs.extend([ObjectId::from(g.agent), g.unit.into()]);
                refs.extend(&g.overrides);
            }
            Self::Permit(p) => {
                refs.push(p.room.into());
                match p.principal {
                    Principal::Unit(UnitId::ROLE_AGENT) => {}
                    Principal::Unit(unit) => refs.push(unit.into()),
                    Principal::Agent(agent) => refs.push(agent.into()),
                }
                refs.extend(&p.overrides);
            }
            Self::Revoke(r) => {
                refs.push(r.target);
                refs.extend(r.control_cuts.iter().map(|cut| cut.id));
            }
            Self::RootRotate(r) => refs.push(r.cut.id),
            Self::RoomCut(c) => refs.extend([ObjectId::from(c.room), c.revoke]),
            Self::Ratify(r) => {
                refs.push(r.target);
                refs.extend(&r.overrides);
            }
            Self::SetField(f) => {
                refs.push(f.target);
                refs.extend(&f.supersedes);
            }
        }
        refs
    }

    fn check(&self) -> Result<(), ObjectError> {
        match self {
            Self::AdminGrant(g) => {
                check_ascending(&g.overrides)?;
                if g.rank == 0 {
                    return Err(ObjectError::Chain);
                }
            }
            Self::UnitCreate(u) => {
                check_name(&u.name)?;
                if (u.kind == UnitKind::Group) != u.parent.is_some() {
                    return Err(ObjectError::Chain);
                }
            }
            Self::AgentCert(c) => check_name(&c.name)?,
            Self::DeviceCert(c) => {
                if c.countersignature.as_ref().is_some_and(|own| own.device == c.device) {
                    return Err(ObjectError::Chain);
                }
            }
            Self::MemberGrant(g) => {
                check_ascending(&g.overrides)?;
                if g.unit == UnitId::ROLE_AGENT {
                    return Err(ObjectError::Unsupported("a grant of the built-in role"));
                }
            }
            Self::RoomCreate(r) => {
                check_name(&r.name)?;
            }
            Self::Permit(p) => check_ascending(&p.overrides)?,
            Self::Revoke(r) => {
                ascending(&r.control_cuts, |cut| cut.device)?;
                ascending(&r.keep, |keep| keep.room)?;
                for keep in &r.keep {
                    ascending(&keep.messages, |id| *id)?;
                }
            }
            Self::RootRotate(_) => {}
            Self::RoomCut(c) => ascending(&c.keep, |id| *id)?,
            Self::Ratify(r) => check_ascending(&r.overrides)?,
            Self::SetField(f) => {
                check_ascending(&f.supersedes)?;
                match &f.value {
                    FieldValue::Name(name) => check_name(name)?,
                    FieldValue::Topic(topic) => {
                        if topic.chars().count() > TOPIC_CHARS_MAX
                            || topic.chars().any(char::is_control)
                        {
                            return Err(ObjectError::Topic);
                        }
                    }
                    FieldValue::Active(_) => {}
                }
            }
        }
        Ok(())
    }
}

fn check_ascending(ids: &[ObjectId]) -> Result<(), ObjectError> {
    if ids.len() > OVERRIDES_MAX {
        return Err(ObjectError::List);
    }
    ascending(ids, |id| *id)
}

/// How long such a list may be is bounded by the size of the object.
fn ascending<T, K: Ord>(list: &[T], key: impl Fn(&T) -> K) -> Result<(), ObjectError> {
    if list.windows(2).any(|pair| key(&pair[0]) >= key(&pair[1])) {
        return Err(ObjectError::List);
    }
    Ok(())
}

/// A control object other than `Genesis`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlObject {
    /// Who, where in its chain, under which authority.
    pub header: Header,
    /// What.
    pub payload: Payload,
}

impl ControlObject {
    /// The canonical body.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        fn body<T: Encode<()>>(header: &Header, payload: &T) -> Vec<u8> {
            codec::encode(&(header, payload))
        }
        let header = &self.header;
        match &self.payload {
            Payload::AdminGrant(p) => body(header, p),
            Payload::UnitCreate(p) => body(header, p),
            Payload::AgentCert(p) => body(header, p),
            Payload::DeviceCert(p) => body(header, p),
            Payload::MemberGrant(p) => body(header, p),
            Payload::RoomCreate(p) => body(header, p),
            Payload::Permit(p) => body(header, p),
            Payload::Revoke(p) => body(header, p),
            Payload::RootRotate(p) => body(header, p),
            Payload::RoomCut(p) => body(header, p),
            Payload::Ratify(p) => body(header, p),
            Payload::SetField(p) => body(header, p),
        }
    }

    /// Decodes and checks a body on its own, without its surroundings.
    ///
    /// # Errors
    /// [`ObjectError`], also for types that are no control object.
    pub fn decode(object_type: ObjectType, bytes: &[u8]) -> Result<Self, ObjectError> {
        fn body<'b, T: Decode<'b, ()> + Encode<()>>(
            bytes: &'b [u8],
            wrap: fn(T) -> Payload,
        ) -> Result<ControlObject, ObjectError> {
            let (header, payload): (Header, T) = codec::decode(bytes, OBJECT_BYTES_MAX)?;
            Ok(ControlObject { header, payload: wrap(payload) })
        }
        // A newer version may have another shape: its number is looked at first.
        codec::check_version(bytes, 2, CONTROL_VERSION).map_err(ObjectError::Version)?;
        let object = match object_type {
            ObjectType::AdminGrant => body(bytes, Payload::AdminGrant),
            ObjectType::UnitCreate => body(bytes, Payload::UnitCreate),
            ObjectType::AgentCert => body(bytes, Payload::AgentCert),
            ObjectType::DeviceCert => body(bytes, Payload::DeviceCert),
            ObjectType::MemberGrant => body(bytes, Payload::MemberGrant),
            ObjectType::RoomCreate => body(bytes, Payload::RoomCreate),
            ObjectType::Permit => body(bytes, Payload::Permit),
            ObjectType::Revoke => body(bytes, Payload::Revoke),
            ObjectType::RootRotate => body(bytes, Payload::RootRotate),
            ObjectType::RoomCut => body(bytes, Payload::RoomCut),
            ObjectType::Ratify => body(bytes, Payload::Ratify),
            ObjectType::SetField => body(bytes, Payload::SetField),
            ObjectType::Genesis
            | ObjectType::Envelope
            | ObjectType::AddressRecord
            | ObjectType::StateReport
            | ObjectType::Presence => Err(CodecError::Malformed.into()),
        }?;
        let header = &object.header;
        if header.version != CONTROL_VERSION {
            return Err(ObjectError::Version(header.version));
        }
        let first = header.seq == 1 && header.prev.is_none();
        let later = header.seq > 1 && header.prev.is_some();
        if !(first || later) || header.height < 2 || header.height > HEIGHT_MAX {
            return Err(ObjectError::Chain);
        }
        object.payload.check()?;
        Ok(object)
    }

    /// Everything it refers to, header included; may name an object twice.
    #[must_use]
    pub fn references(&self) -> Vec<ObjectId> {
        let mut refs = self.payload.references();
        refs.push(self.header.authority);
        refs.extend(self.header.prev);
        refs
    }
}

impl Genesis {
    /// Decodes and checks the body of a `Genesis`.
    ///
    /// # Errors
    /// [`ObjectError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ObjectError> {
        codec::check_version(bytes, 1, CONTROL_VERSION).map_err(ObjectError::Version)?;
        let genesis: Self = codec::decode(bytes, OBJECT_BYTES_MAX)?;
        if genesis.version != CONTROL_VERSION {
            return Err(ObjectError::Version(genesis.version));
        }
        check_name(&genesis.name)?;
        Ok(genesis)
    }
}
