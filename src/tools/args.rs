//! From the arguments of a call to typed parameters, with an error that an agent can act on.

use rmcp::model::JsonObject;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::ToolError;

/// Reads the arguments of a tool whose properties are `known`.
///
/// snake_case spellings are taken, `name` stands for `session` where that is a property and `name` is not,
/// `null` counts as absent, and whole numbers may be written as `5.0`.
pub(super) fn parse<P: DeserializeOwned>(
    tool: &str,
    known: &[String],
    arguments: JsonObject,
) -> Result<P, ToolError> {
    let mut named = JsonObject::new();
    for (given, value) in arguments {
        let name = property(&given, known).ok_or_else(|| unknown(tool, &given, known))?;
        if value.is_null() {
            continue;
        }
        if named.insert(name.clone(), whole_number(value)).is_some() {
            return Err(ToolError::invalid(format!(
                "{tool}: {name} is given twice; give it once"
            )));
        }
    }
    serde_json::from_value(Value::Object(named)).map_err(|error| {
        ToolError::invalid(format!("{tool}: {error}; parameters: {}", known.join(", ")))
    })
}

fn property(given: &str, known: &[String]) -> Option<String> {
    let is_known = |name: &str| known.iter().any(|property| property == name);
    if is_known(given) {
        return Some(given.to_owned());
    }
    if given == "name" && is_known("session") {
        return Some("session".to_owned());
    }
    let camel = camel_case(given);
    is_known(&camel).then_some(camel)
}

fn camel_case(name: &str) -> String {
    let mut upper = false;
    let mut camel = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                camel.push(c.to_ascii_uppercase());
                upper = false;
            }
            c => camel.push(c),
        }
    }
    camel
}

fn unknown(tool: &str, given: &str, known: &[String]) -> ToolError {
    let given: String = given.chars().take(64).collect();
    let known = if known.is_empty() {
        "it takes none".to_owned()
    } else {
        format!("known: {}", known.join(", "))
    };
    ToolError::invalid(format!("{tool} has no parameter {given:?}; {known}"))
}

/// JavaScript clients may write 5 as 5.0.
fn whole_number(value: Value) -> Value {
    match value.as_f64() {
        Some(number)
            if value.is_f64() && number.fract() == 0.0 && (0.0..9e15).contains(&number) =>
        {
            Value::from(number as u64)
        }
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase")]
    struct Parameters {
        session: Option<String>,
        wait_ms: Option<u64>,
    }

    fn parse_object(arguments: Value) -> Result<Parameters, String> {
        let known = ["session".to_owned(), "waitMs".to_owned()];
        let Value::Object(arguments) = arguments else {
            panic!("not an object")
        };
        parse("ssh_test", &known, arguments).map_err(|error| error.text)
    }

    #[test]
    fn spellings_that_mean_the_same() {
        let expected = Ok(Parameters {
            session: Some("web".into()),
            wait_ms: Some(5),
        });
        assert_eq!(
            parse_object(json!({"session": "web", "waitMs": 5})),
            expected
        );
        assert_eq!(
            parse_object(json!({"name": "web", "wait_ms": 5.0})),
            expected
        );
        assert_eq!(
            parse_object(json!({"waitMs": null})),
            Ok(Parameters {
                session: None,
                wait_ms: None
            })
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_known() {
        let error = parse_object(json!({"wait": 5})).unwrap_err();
        assert!(
            error.contains("\"wait\"") && error.contains("session, waitMs"),
            "{error}"
        );
        let error = parse_object(json!({"waitMs": "5"})).unwrap_err();
        assert!(
            error.contains("ssh_test") && error.contains("string"),
            "{error}"
        );
        let error = parse_object(json!({"session": "a", "name": "b"})).unwrap_err();
        assert!(error.contains("twice"), "{error}");
        assert!(parse_object(json!({"waitMs": 5.5})).is_err());
    }
}
