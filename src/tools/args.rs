//! Parses the arguments of a call into typed parameters, with errors that an agent can act on.

use rmcp::model::JsonObject;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::ToolError;

/// Characters of a name that are quoted.
const NAME_MAX_CHARS: usize = 64;

/// Reads the arguments of a tool with these properties (of its JSON schema).
///
/// snake_case spellings are accepted, `name` stands for `session` where `session` is a property and `name` is not,
/// `null` counts as absent, whole numbers may be written as `5.0`, and numbers and booleans as strings, as some models
/// write them. No error quotes a value of the wrong type, because the value may be a secret.
pub(super) fn parse<P: DeserializeOwned>(
    tool: &str,
    properties: &JsonObject,
    arguments: JsonObject,
) -> Result<P, ToolError> {
    let known: Vec<_> = properties.keys().cloned().collect();
    let mut named = JsonObject::new();
    for (given, value) in arguments {
        let name = property(&given, &known).ok_or_else(|| unknown(tool, &given, &known))?;
        if value.is_null() {
            continue;
        }
        let value = whole_number(unquoted(&properties[&name], value));
        check_type(tool, &name, &properties[&name], &value)?;
        if named.insert(name.clone(), value).is_some() {
            let text = format!("{tool}: {name} is given twice; give it once");
            return Err(ToolError::invalid(text));
        }
    }
    serde_json::from_value(Value::Object(named)).map_err(|error| {
        ToolError::invalid(format!("{tool}: {error}; parameters: {}", known.join(", ")))
    })
}

/// Checks the type of a value against the type of its property, and the members of an object likewise.
fn check_type(tool: &str, name: &str, schema: &Value, value: &Value) -> Result<(), ToolError> {
    let wanted = schema["type"].as_str().unwrap_or_default();
    let fits = match wanted {
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        _ => true,
    };
    if !fits {
        let given = match (wanted, value) {
            // A number that should be an integer is no secret.
            ("integer", Value::Number(number)) => number.to_string(),
            ("integer" | "boolean", Value::String(_)) => {
                format!("a string that does not spell {}", article(wanted))
            }
            _ => article(kind(value)),
        };
        let text = format!("{tool}: {name} must be {}, not {given}", article(wanted));
        return Err(ToolError::invalid(text));
    }
    for (bound, is_outside) in [
        ("minimum", i128::lt as fn(&i128, &i128) -> bool),
        ("maximum", i128::gt),
    ] {
        let limit = schema[bound].as_i64().map(i128::from);
        if let (Some(limit), Some(number)) = (limit, whole(value))
            && is_outside(&number, &limit)
        {
            let text = format!("{tool}: {name} is {number}; its {bound} is {limit}");
            return Err(ToolError::invalid(text));
        }
    }
    let members = value.as_object().into_iter().flatten();
    for (member, value) in members {
        let member: String = member.chars().take(NAME_MAX_CHARS).collect();
        check_type(
            tool,
            &format!("{name}.{member}"),
            &schema["additionalProperties"],
            value,
        )?;
    }
    Ok(())
}

fn whole(value: &Value) -> Option<i128> {
    value
        .as_i64()
        .map(i128::from)
        .or_else(|| value.as_u64().map(i128::from))
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn article(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'i', 'o']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {kind}")
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
    let given: String = given.chars().take(NAME_MAX_CHARS).collect();
    let known = if known.is_empty() {
        "it takes none".to_owned()
    } else {
        format!("known: {}", known.join(", "))
    };
    ToolError::invalid(format!("{tool} has no parameter {given:?}; {known}"))
}

/// Turns `"5000"` into 5000 and `"true"` into true where the property has such a type. Another string stays, and fails
/// the check of its type.
fn unquoted(schema: &Value, value: Value) -> Value {
    let Value::String(text) = &value else {
        return value;
    };
    let text = text.trim();
    let spelled = match schema["type"].as_str() {
        Some("integer") => match text.parse::<u64>() {
            Ok(number) => Some(Value::from(number)),
            Err(_) => serde_json::from_str(text).ok().filter(Value::is_number),
        },
        // Python's spelling counts too.
        Some("boolean") => text.to_ascii_lowercase().parse().ok().map(Value::Bool),
        _ => None,
    };
    spelled.unwrap_or(value)
}

/// Turns 5.0 into 5: JavaScript clients may write whole numbers that way.
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
        pty: Option<bool>,
    }

    fn parse_object(arguments: Value) -> Result<Parameters, String> {
        let properties = json!({
            "session": {"type": "string"},
            "waitMs": {"type": "integer", "minimum": 0},
            "pty": {"type": "boolean"},
            "env": {"type": "object", "additionalProperties": {"type": "string"}},
        });
        let (Value::Object(properties), Value::Object(arguments)) = (properties, arguments) else {
            panic!("not an object")
        };
        parse("ssh_test", &properties, arguments).map_err(|error| error.text)
    }

    #[test]
    fn spellings_that_mean_the_same() {
        let expected = Ok(Parameters {
            session: Some("web".into()),
            wait_ms: Some(5),
            pty: None,
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
                wait_ms: None,
                pty: None,
            })
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_known() {
        let error = parse_object(json!({"wait": 5})).unwrap_err();
        assert!(
            error.contains("\"wait\"") && error.contains("session") && error.contains("waitMs"),
            "{error}"
        );
        let error = parse_object(json!({"waitMs": [5]})).unwrap_err();
        assert!(
            error.contains("ssh_test") && error.contains("array"),
            "{error}"
        );
        let error = parse_object(json!({"session": "a", "name": "b"})).unwrap_err();
        assert!(error.contains("twice"), "{error}");
        assert!(parse_object(json!({"waitMs": 5.5})).is_err());
    }
    #[test]
    fn strings_that_spell_numbers_and_booleans_are_accepted() {
        for (text, expected) in [("5000", 5000), (" 7 ", 7), ("5.0", 5), ("0", 0)] {
            let parsed = parse_object(json!({"waitMs": text})).unwrap();
            assert_eq!(parsed.wait_ms, Some(expected), "{text}");
        }
        for (text, expected) in [("true", true), ("False", false), ("TRUE", true)] {
            let parsed = parse_object(json!({"pty": text})).unwrap();
            assert_eq!(parsed.pty, Some(expected), "{text}");
        }
        // A parameter of text keeps its text.
        let parsed = parse_object(json!({"session": "5000"})).unwrap();
        assert_eq!(parsed.session.as_deref(), Some("5000"));
    }

    #[test]
    fn other_strings_are_refused_without_their_text() {
        for (name, text) in [
            ("waitMs", "soon"),
            ("waitMs", ""),
            ("waitMs", "5 s"),
            ("waitMs", "true"),
            ("pty", "yes"),
            ("pty", "1"),
            ("pty", ""),
        ] {
            let error = parse_object(json!({name: text})).unwrap_err();
            let reason = format!("{name} must be a");
            assert!(error.contains(&reason), "{error}");
            assert!(error.contains("a string that does not spell"), "{error}");
        }
        let error = parse_object(json!({"waitMs": "-5"})).unwrap_err();
        assert!(error.contains("waitMs is -5; its minimum is 0"), "{error}");
        let error = parse_object(json!({"waitMs": "5.5"})).unwrap_err();
        assert!(error.contains("an integer, not 5.5"), "{error}");
    }
}
