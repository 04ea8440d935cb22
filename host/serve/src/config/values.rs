//! Times and sizes, which are written with their units.

use std::time::Duration;

use serde::Deserialize;

/// A time that is written as `30s` or `500ms`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub(crate) struct Time(Duration);

impl Time {
    pub(crate) const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    pub(crate) const fn duration(self) -> Duration {
        self.0
    }
}

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = |error| format!("'{text}' is no time ({error}): write it as '30s' or '500ms'");
        humantime::parse_duration(&text).map(Self).map_err(wrong)
    }
}

/// A number of bytes that is written as `256MiB`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub(crate) struct Size(u64);

impl Size {
    pub(crate) const fn mebibytes(count: u64) -> Self {
        Self(count << 20)
    }

    pub(crate) const fn bytes(self) -> u64 {
        self.0
    }
}

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let size = text.parse::<bytesize::ByteSize>();
        let wrong = |error| format!("'{text}' is no size ({error}): write it as '256MiB'");
        size.map(|size| Self(size.as_u64())).map_err(wrong)
    }
}
