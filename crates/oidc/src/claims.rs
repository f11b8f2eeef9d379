//! Claims by dotted path, as the mapping names them.

use serde_json::Value;

/// What stands at a path such as `realm_access.roles`. A claim whose own name has dots, such as a
/// namespaced `https://example.com/roles`, is found by its whole name.
pub(crate) fn at<'a>(claims: &'a Value, path: &str) -> Option<&'a Value> {
    if let Some(whole) = claims.get(path) {
        return Some(whole).filter(|value| !value.is_null());
    }
    path.split('.').try_fold(claims, |value, part| value.get(part)).filter(|value| !value.is_null())
}

/// The text at a path.
pub fn text_at(claims: &Value, path: &str) -> Option<String> {
    at(claims, path)?.as_str().map(str::to_owned).filter(|text| !text.is_empty())
}

/// A claim's values: some providers write one as a text, or several apart by blanks or commas.
pub fn list(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => {
            text.split([' ', ',']).filter(|part| !part.is_empty()).map(str::to_owned).collect()
        }
        Value::Array(items) => {
            items.iter().filter_map(|item| item.as_str()).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// Some providers write the flag as a text.
pub(crate) fn truth(value: &Value) -> bool {
    value == &Value::Bool(true) || value.as_str() == Some("true")
}

/// Adds what is not there yet.
pub(crate) fn add(into: &mut Value, more: &Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        for (key, value) in more {
            let slot = into.entry(key.clone()).or_insert(Value::Null);
            if slot.is_null() {
                *slot = value.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_are_found_by_path_and_by_whole_name() {
        let claims = json!({
            "realm_access": { "roles": ["admin", "offline_access"] },
            "https://example.com/roles": "owner",
            "tenant_id": "clinica", "groups": "a b,c", "none": null, "n": 1
        });
        assert_eq!(
            at(&claims, "realm_access.roles").map(list),
            Some(vec!["admin".to_owned(), "offline_access".to_owned()])
        );
        assert_eq!(
            at(&claims, "https://example.com/roles").map(list),
            Some(vec!["owner".to_owned()])
        );
        assert_eq!(at(&claims, "groups").map(list).map(|l| l.len()), Some(3));
        assert_eq!(text_at(&claims, "tenant_id").as_deref(), Some("clinica"));
        for path in ["none", "realm_access.groups", "tenant_id.x", ""] {
            assert_eq!(at(&claims, path), None, "{path}");
        }
        assert_eq!(list(&json!(1)), Vec::<String>::new());
    }
}
