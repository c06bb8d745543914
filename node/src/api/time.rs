//! Points in time on the border: RFC 3339, UTC, milliseconds.

use std::fmt;
use std::str::FromStr;

use conclave_protocol::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// A moment, such as `2026-11-23T06:22:49.123Z`.
///
/// The protocol carries what some author's clock claimed, up to `u64::MAX` milliseconds;
/// what lies beyond the year 9999 is shown as the end of that year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Timestamp);

impl Time {
    /// The same moment as the calendar library has it.
    #[must_use]
    pub fn moment(self) -> jiff::Timestamp {
        i64::try_from(self.0.0)
            .ok()
            .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
            .unwrap_or(jiff::Timestamp::MAX)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.moment())
    }
}

impl FromStr for Time {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        let moment: jiff::Timestamp = text.parse()?;
        // Before 1970 there was no message: such a text can only come from another program.
        let ms = u64::try_from(moment.as_millisecond()).unwrap_or(0);
        Ok(Self(Timestamp(ms)))
    }
}

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("A moment: RFC 3339, UTC, milliseconds."))
            .examples([serde_json::json!("2026-11-23T06:22:49.123Z")]);
        text.into()
    }
}

impl ToSchema for Time {}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc3339_with_milliseconds() {
        let shown = |ms| Time(Timestamp(ms)).to_string();
        assert_eq!(shown(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(shown(1_795_415_000_123), "2026-11-23T06:23:20.123Z");
        assert_eq!(shown(1_795_415_000_120), "2026-11-23T06:23:20.120Z");
        assert!(shown(u64::MAX).starts_with("9999-12-30T"), "{}", shown(u64::MAX));
    }

    #[test]
    fn times_survive_json() {
        let time = Time(Timestamp(1_795_415_000_123));
        let json = serde_json::to_string(&time).expect("a text");
        assert_eq!(serde_json::from_str::<Time>(&json).expect("the same"), time);
        assert!(serde_json::from_str::<Time>("\"yesterday\"").is_err());
    }
}
