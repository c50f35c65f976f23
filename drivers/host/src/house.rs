//! House rules as a file: a preset and what differs from it.

use bitcraps_protocol::craps::Rules;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `{"preset": "standard", "overrides": {"vig": {"when": "upfront"}}}`; both may be left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct House {
    #[serde(skip_serializing_if = "Option::is_none")]
    preset: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    overrides: Map<String, Value>,
}

/// Something in a file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}", if field.is_empty() { String::new() } else { format!("{field}: ") })]
pub struct BadField {
    /// Where it is, as `steps[0].do[1].bet`; empty if it is the whole.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

impl House {
    /// The shortest way to write `rules`.
    pub fn of(rules: &Rules) -> Self {
        let value = |rules: &Rules| serde_json::to_value(rules).expect("rules are plain data");
        let houses = Rules::PRESETS.into_iter().filter_map(|name| {
            match difference(&value(&Rules::preset(name)?), &value(rules)) {
                Value::Object(overrides) => Some(Self { preset: Some(name.into()), overrides }),
                _ => None,
            }
        });
        let shortest = houses.min_by_key(|house| house.overrides.len());
        shortest.expect("there are presets")
    }

    /// Reads rules from JSON and checks them.
    pub fn read(text: &[u8]) -> Result<Rules, BadField> {
        parse::<Self>(text)?.rules("")
    }

    /// The rules, checked; `at` is where they stand in their file.
    pub fn rules(&self, at: &str) -> Result<Rules, BadField> {
        let field = |name: &str| if at.is_empty() { name.into() } else { format!("{at}.{name}") };
        let preset = self.preset.as_deref().unwrap_or(Rules::PRESETS[0]);
        let Some(rules) = Rules::preset(preset) else {
            let reason = format!("no such preset: there are {}", Rules::PRESETS.join(", "));
            return Err(BadField { field: field("preset"), reason });
        };
        let mut value = serde_json::to_value(&rules).expect("rules are plain data");
        merge(&mut value, &Value::Object(self.overrides.clone()));
        let rules: Rules = serde_path_to_error::deserialize(value).map_err(|error| {
            let (path, reason) = (error.path().to_string(), error.inner().to_string());
            BadField { field: field(&format!("overrides.{path}")), reason }
        })?;
        let refused = |refusal: bitcraps_protocol::craps::RulesRefusal| BadField {
            field: field("overrides"),
            reason: refusal.to_string(),
        };
        rules.validate().map_err(refused)?;
        Ok(rules)
    }
}

/// Reads JSON, and says which field is wrong if one is.
pub(crate) fn parse<'de, T: Deserialize<'de>>(text: &'de [u8]) -> Result<T, BadField> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = match error.path().to_string() {
            path if path == "." => String::new(),
            path => path,
        };
        BadField { field, reason: error.into_inner().to_string() }
    })?;
    let no_field =
        |error: serde_json::Error| BadField { field: String::new(), reason: error.to_string() };
    json.end().map_err(no_field)?;
    Ok(value)
}

/// Puts what `over` says over `value`. What is unknown is added, for the rules to refuse by name. A
/// pay table replaces the other as a whole.
fn merge(value: &mut Value, over: &Value) {
    match (value, over) {
        (Value::Object(value), Value::Object(over)) if !is_pay_table(over) => {
            for (name, over) in over {
                merge(value.entry(name).or_insert(Value::Null), over);
            }
        }
        (value, over) => *value = over.clone(),
    }
}

/// What has to be put over `value` to make it `wanted`.
fn difference(value: &Value, wanted: &Value) -> Value {
    match (value, wanted) {
        (Value::Object(value), Value::Object(wanted)) if !is_pay_table(wanted) => {
            let differs = wanted.iter().filter(|(name, wanted)| value.get(*name) != Some(*wanted));
            let over = differs.map(|(name, wanted)| {
                let value = value.get(name).unwrap_or(&Value::Null);
                (name.clone(), difference(value, wanted))
            });
            Value::Object(over.collect())
        }
        (_, wanted) => wanted.clone(),
    }
}

/// Whether the names are scores.
fn is_pay_table(value: &Map<String, Value>) -> bool {
    let is_score = |name: &String| name.bytes().all(|byte| byte.is_ascii_digit());
    !value.is_empty() && value.keys().all(is_score)
}

#[cfg(test)]
mod tests {
    use bitcraps_protocol::craps::{Ladder, Ratio, VigWhen};

    use super::*;

    #[test]
    fn what_is_not_overridden_is_as_the_preset_says() {
        let rules =
            House::read(br#"{"overrides":{"vig":{"when":"upfront"},"odds":{"six_eight":"2:1"}}}"#);
        let mut expected = Rules::default();
        expected.vig.when = VigWhen::Upfront;
        expected.odds.six_eight = Ratio::to(2, 1);
        assert_eq!(rules, Ok(expected));
        assert_eq!(
            House::read(br#"{"preset":"crapless"}"#),
            Ok(Rules::preset("crapless").unwrap())
        );
        assert_eq!(House::read(b"{}"), Ok(Rules::default()));
    }

    #[test]
    fn any_rules_can_be_written_and_a_pay_table_replaces_the_other() {
        let mut rules = Rules { crapless: true, max_bets: 5, ..Rules::default() };
        rules.sides.fire.pays = Ladder::new(&[(5, 200), (6, 2000)]);
        rules.vig.when = VigWhen::Upfront;
        for rules in [rules, Rules::default(), Rules::preset("crapless").unwrap()] {
            let text = serde_json::to_string(&House::of(&rules)).unwrap();
            assert_eq!(House::read(text.as_bytes()), Ok(rules), "{text}");
        }
        let standard = serde_json::to_string(&House::of(&Rules::default())).unwrap();
        assert_eq!(standard, r#"{"preset":"standard"}"#);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let told = |text: &str| House::read(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            told(r#"{"preset":"lunar"}"#),
            "preset: no such preset: there are standard, crapless"
        );
        assert!(
            told(r#"{"overrides":{"vig":{"wen":1}}}"#)
                .starts_with("overrides.vig.wen: unknown field")
        );
        assert!(told(r#"{"overrides":{"big":"3:0"}}"#).starts_with("overrides.big: not a ratio"));
        assert!(
            told(r#"{"overrides":{"bar":"none"}}"#).contains("dont_pass would favour the player")
        );
        let allowed = br#"{"overrides":{"bar":"none","allow_player_edge":true}}"#;
        assert!(House::read(allowed).is_ok());
    }
}
