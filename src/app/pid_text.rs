//! PIDs as text: what processes see of them, and what they send.

use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

use crate::core::pid::{HostId, NodeId, Pid, PidParts};
use crate::infra::error::{Error, Result};

/// The text that `Display` writes, and that Lua knows a process by.
///
/// # Errors
/// `Invalid`: the text has not the form of a PID. `NotFound`: its host or its node is nobody's, so there
/// is no such process. That the process lives is not looked at.
impl FromStr for Pid {
    type Err = Error;

    fn from_str(text: &str) -> Result<Pid> {
        let parts = PidParts::parse(text)?;
        let node = NodeId::find(parts.node).ok_or_else(|| Error::not_found("node not found"))?;
        let host = HostId::find(parts.host).ok_or_else(|| Error::not_found("host not found"))?;
        match (parts.uniq, parts.number()) {
            ("", _) => Ok(Pid::new(node, host, 0)),
            (_, Some(number)) => Ok(Pid::new(node, host, number)),
            (_, None) => Err(Error::not_found("process not found")),
        }
    }
}

/// Its text, which is what Lua programs take for a PID.
impl Serialize for Pid {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.serialize_str(self.text().as_str())
    }
}

impl<'de> Deserialize<'de> for Pid {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Pid, D::Error> {
        String::deserialize(input)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infra::error::Kind;
    use crate::infra::transcoder::typed::{from_value, to_value};

    #[test]
    fn there_and_back() {
        let host = HostId::intern("test:texts");
        for (pid, text) in [
            (Pid::new(NodeId::LOCAL, host, 7), "{test:texts|0x00007}"),
            (Pid::new(NodeId::intern("n1"), host, u64::MAX), "{n1@test:texts|0xffffffffffffffff}"),
            (Pid::new(NodeId::LOCAL, host, 0), "{test:texts|}"),
            (Pid::NONE, "{|}"),
        ] {
            assert_eq!((pid.to_string().as_str(), text.parse()), (text, Ok(pid)));
            assert_eq!(to_value(&pid), Ok(text.into()));
            assert_eq!(from_value(text.into()), Ok(pid));
        }
    }

    #[test]
    fn texts_that_are_no_pids() {
        for (text, kind) in [
            ("worker", Kind::Invalid),
            ("{test:texts}", Kind::Invalid),
            ("{test:never seen|0x1}", Kind::NotFound),
            ("{nowhere@test:texts|0x1}", Kind::NotFound),
        ] {
            let error = text.parse::<Pid>().expect_err(text);
            assert_eq!(*error.kind(), kind, "{text}");
        }
    }
}
