//! Values as text for people and programs: JSON and YAML.
//!
//! Maps keep the order in which they were written. What neither format can hold is shown as a
//! string: bytes that are no text, with replacement characters, and errors.

use crate::infra::error::{Error, Result};
use crate::infra::transcoder::Value;
use crate::infra::transcoder::yaml::{self, Written};

/// Indented by two spaces, with a newline at the end.
pub fn json(value: &Value) -> Result<String> {
    let text = serde_json::to_string_pretty(&Written(value)).map_err(|e| failed("JSON", &e))?;
    Ok(format!("{text}\n"))
}

/// JSON on one line, without a newline.
pub fn json_line(value: &Value) -> Result<String> {
    serde_json::to_string(&Written(value)).map_err(|e| failed("JSON", &e))
}

/// A block of YAML, with a newline at the end.
pub fn yaml(value: &Value) -> Result<String> {
    yaml::encode(value).map_err(|error| error.context("cannot show as YAML"))
}

fn failed(format: &str, error: &dyn std::error::Error) -> Error {
    Error::internal(error.to_string()).context(format!("cannot show as {format}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_values_have_a_text() {
        let list =
            vec![Value::Nil, true.into(), 7.into(), 0.5.into(), Value::Bytes(b"\xff".into())];
        let value = Value::from([
            ("z", "a: b\nc".into()),
            ("a", Value::List(list)),
            ("e", Value::Error(Box::new(Error::invalid("no")))),
        ]);
        let expect = "{\"z\":\"a: b\\nc\",\"a\":[null,true,7,0.5,\"\u{fffd}\"],\"e\":\"no\"}";
        assert_eq!(json_line(&value).unwrap(), expect);
        let expect = "z: |-\n  a: b\n  c\na:\n- null\n- true\n- 7\n- 0.5\n- \u{fffd}\ne: no\n";
        assert_eq!(yaml(&value).unwrap(), expect);
        assert_eq!(json(&[("a", 1.into())].into()).unwrap(), "{\n  \"a\": 1\n}\n");
        assert_eq!(json_line(&f64::NAN.into()).unwrap(), "null");
    }
}
