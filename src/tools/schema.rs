//! JSON schemas of parameters and results, from the Rust types: small, flat, one type for each property.

use std::sync::Arc;

use rmcp::model::JsonObject;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// The schema of a tool's parameters.
pub(super) fn input<P: JsonSchema>() -> Arc<JsonObject> {
    let mut schema = generate::<P>();
    schema.insert("additionalProperties".to_owned(), Value::Bool(false));
    Arc::new(schema)
}

/// The schema that clients see: bounds at zero and the exclusion of other parameters are checked, but left out of the
/// list.
pub(super) fn shown(schema: &JsonObject) -> Arc<JsonObject> {
    let mut schema = schema.clone();
    schema.remove("additionalProperties");
    strip_zero_minimum(&mut schema);
    Arc::new(schema)
}

fn strip_zero_minimum(object: &mut JsonObject) {
    object.retain(|name, value| name != "minimum" || *value != 0);
    for value in object.values_mut().filter_map(Value::as_object_mut) {
        strip_zero_minimum(value);
    }
}

/// The schema of a tool's record, reduced to names and types: the schema is a part of every conversation, and bounds on
/// results help no client.
pub(super) fn output<R: JsonSchema>() -> Arc<JsonObject> {
    let mut schema = generate::<R>();
    strip_remarks(&mut schema);
    Arc::new(schema)
}

/// The properties of a schema.
pub(super) fn properties(schema: &JsonObject) -> JsonObject {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.cloned().unwrap_or_default()
}

fn generate<T: JsonSchema>() -> JsonObject {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let schema = settings.into_generator().into_root_schema_for::<T>();
    let Value::Object(mut object) = schema.to_value() else {
        return JsonObject::new();
    };
    object.remove("title");
    object.remove("description");
    simplify_object(&mut object);
    object
        .entry("properties")
        .or_insert_with(|| Value::Object(JsonObject::new()));
    object
}

/// `Option<T>` is absent or a `T`: clients that are strict about types refuse `["integer", "null"]`.
fn simplify_object(object: &mut JsonObject) {
    for noise in ["format", "default", "$schema"] {
        if object.get(noise).is_some_and(|value| !value.is_object()) {
            object.remove(noise);
        }
    }
    if let Some(Value::Array(types)) = object.get("type")
        && let Some(only) = types.iter().find(|name| *name != "null").cloned()
    {
        object.insert("type".to_owned(), only);
    }
    if let Some(Value::Array(names)) = object.get_mut("enum") {
        names.retain(|name| !name.is_null());
    }
    if let Some(Value::Array(choices)) = object.remove("anyOf") {
        let choice = choices
            .into_iter()
            .find(|choice| choice.get("type").is_none_or(|name| name != "null"));
        if let Some(Value::Object(choice)) = choice {
            object.extend(choice);
        }
    }
    object.values_mut().for_each(simplify);
}

fn simplify(value: &mut Value) {
    match value {
        Value::Object(object) => simplify_object(object),
        Value::Array(items) => items.iter_mut().for_each(simplify),
        _ => {}
    }
}

fn strip_remarks(object: &mut JsonObject) {
    // A property may have one of these names; its value is then an object.
    object.retain(|name, value| match name.as_str() {
        "description" => !value.is_string(),
        "required" => !value.is_array(),
        "minimum" | "maximum" => !value.is_number(),
        _ => true,
    });
    for value in object.values_mut() {
        match value {
            Value::Object(inner) => strip_remarks(inner),
            Value::Array(items) => {
                items
                    .iter_mut()
                    .filter_map(Value::as_object_mut)
                    .for_each(strip_remarks);
            }
            _ => {}
        }
    }
}
