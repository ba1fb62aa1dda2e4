//! What the configuration puts into an empty database.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// `seed_data` of the configuration.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SeedData {
    #[serde(default, skip_serializing)]
    update: bool,
    #[serde(default, skip_serializing)]
    delete: bool,
    #[serde(default)]
    users: Vec<User>,
    #[serde(default)]
    user_tokens: Vec<UserToken>,
    #[serde(default)]
    orgs: Vec<Org>,
    #[serde(default)]
    org_users: Vec<OrgUser>,
    #[serde(default)]
    projects: Vec<Project>,
    #[serde(default)]
    project_tokens: Vec<ProjectToken>,
    #[serde(default)]
    project_users: Vec<ProjectUser>,
}

/// A row and the keys of the rows that it speaks of: the list, the key.
trait Row {
    fn key(&self) -> &str;
    fn refers(&self) -> Vec<(&'static str, &str)>;
}

macro_rules! row {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $kind:ty),* } refers { $($reference:ident => $list:literal),* }) => {
        $(#[$doc])*
        #[derive(Debug, Deserialize, Serialize)]
        #[serde(deny_unknown_fields)]
        struct $name { key: String, $($field: $kind),* }

        impl Row for $name {
            fn key(&self) -> &str {
                &self.key
            }
            fn refers(&self) -> Vec<(&'static str, &str)> {
                vec![$(($list, self.$reference.as_str())),*]
            }
        }
    };
}

row!(User { name: String, email: String, password: String, email_confirmed: bool } refers {});
row!(UserToken { user_key: String, token: String } refers { user_key => "users" });
row!(Org { name: String } refers {});
row!(OrgUser { org_key: String, user_key: String, role: String } refers { org_key => "orgs", user_key => "users" });
row!(Project { name: String, org_key: String } refers { org_key => "orgs" });
row!(ProjectToken { project_key: String, token: String } refers { project_key => "projects" });
row!(ProjectUser { project_key: String, org_user_key: String, perm_level: String } refers
    { project_key => "projects", org_user_key => "org_users" });

impl SeedData {
    fn lists(&self) -> Vec<(&'static str, Vec<&dyn Row>)> {
        fn rows<T: Row>(list: &[T]) -> Vec<&dyn Row> {
            list.iter().map(|row| row as &dyn Row).collect()
        }
        vec![
            ("users", rows(&self.users)),
            ("user_tokens", rows(&self.user_tokens)),
            ("orgs", rows(&self.orgs)),
            ("org_users", rows(&self.org_users)),
            ("projects", rows(&self.projects)),
            ("project_tokens", rows(&self.project_tokens)),
            ("project_users", rows(&self.project_users)),
        ]
    }

    /// Refuses keys that are empty, used twice or speak of nothing, and values that cannot be.
    pub(super) fn check(&self) -> Result<(), String> {
        let lists = self.lists();
        for (name, rows) in &lists {
            for (index, row) in rows.iter().enumerate() {
                if row.key().is_empty() || rows[..index].iter().any(|other| other.key() == row.key()) {
                    return Err(format!("seed_data.{name}: key {:?} is empty or used twice", row.key()));
                }
                for (list, key) in row.refers() {
                    let found =
                        lists.iter().any(|(name, rows)| *name == list && rows.iter().any(|row| row.key() == key));
                    if !found {
                        return Err(format!("seed_data.{name}: there is no {key:?} in {list}"));
                    }
                }
            }
        }
        let bad = |what: &str, value: &str| Err(format!("seed_data: {what} {value:?} is not valid"));
        if let Some(user) = self.users.iter().find(|user| !user.email.contains('@') || user.password.is_empty()) {
            return bad("user", &user.key);
        }
        if let Some(row) = self.org_users.iter().find(|row| !["owner", "admin", "member"].contains(&row.role.as_str()))
        {
            return bad("role", &row.role);
        }
        let levels = ["admin", "editor", "viewer"];
        if let Some(row) = self.project_users.iter().find(|row| !levels.contains(&row.perm_level.as_str())) {
            return bad("perm_level", &row.perm_level);
        }
        let tokens =
            self.user_tokens.iter().map(|row| &row.token).chain(self.project_tokens.iter().map(|row| &row.token));
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.~".contains(c);
        for token in tokens {
            if token.is_empty() || !token.chars().all(plain) {
                return bad("a token that cannot stand in a URL:", token);
            }
        }
        Ok(())
    }
}

/// The rows of the database after seeding: what was there, and what the configuration says. Rows get numbers as they come.
pub(super) fn merge(old: &str, seed: &SeedData) -> Result<String, String> {
    let old: Map<String, Value> = serde_json::from_str(old).map_err(|error| error.to_string())?;
    let new = serde_json::to_value(seed).map_err(|error| error.to_string())?;
    let mut merged = Map::new();
    for (name, rows) in new.as_object().into_iter().flatten() {
        let mut kept: Vec<Value> = old.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        let rows = rows.as_array().cloned().unwrap_or_default();
        if seed.delete {
            kept.retain(|row| rows.iter().any(|other| other["key"] == row["key"]));
        }
        let highest = kept.iter().filter_map(|row| row["id"].as_u64()).max().unwrap_or_default();
        let mut next = highest + 1;
        for mut row in rows {
            if let Some(known) = kept.iter_mut().find(|known| known["key"] == row["key"]) {
                if seed.update {
                    row["id"] = known["id"].clone();
                    *known = row;
                }
            } else {
                row["id"] = json!(next);
                next += 1;
                kept.push(row);
            }
        }
        merged.insert(name.clone(), Value::Array(kept));
    }
    Ok(Value::Object(merged).to_string())
}

/// The rows of the database.
#[derive(Debug)]
pub(super) struct Seeded(Value);

impl Seeded {
    /// Reads them.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map(Self).map_err(|error| error.to_string())
    }

    fn rows(&self, list: &str) -> impl Iterator<Item = &Value> {
        self.0.get(list).and_then(Value::as_array).into_iter().flatten()
    }

    fn row(&self, list: &str, field: &str, value: &Value) -> Option<&Value> {
        self.rows(list).find(|row| row[field] == *value)
    }

    /// The number of the project that a project token writes to.
    pub(super) fn project_of(&self, token: &str) -> Option<u64> {
        let row = self.row("project_tokens", "token", &json!(token))?;
        self.row("projects", "key", &row["project_key"])?["id"].as_u64()
    }

    /// The user whose token it is.
    pub(super) fn user_of(&self, token: &str) -> Option<&Value> {
        let row = self.row("user_tokens", "token", &json!(token))?;
        self.row("users", "key", &row["user_key"])
    }

    /// The projects that a user sees.
    pub(super) fn projects_of(&self, user: &Value) -> Vec<&Value> {
        let members: Vec<&Value> = self.rows("org_users").filter(|row| row["user_key"] == user["key"]).collect();
        let seen = |project: &&Value| {
            members.iter().any(|member| {
                let own = |row: &Value| row["project_key"] == project["key"] && row["org_user_key"] == member["key"];
                member["org_key"] == project["org_key"]
                    && (member["role"] != "member" || self.rows("project_users").any(own))
            })
        };
        self.rows("projects").filter(seen).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(text: &str) -> SeedData {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn seeding_adds_updates_and_deletes_by_key() {
        let first = merge("{}", &seed(r#"{"orgs":[{"key":"a","name":"A"},{"key":"b","name":"B"}]}"#)).unwrap();
        let kept = merge(&first, &seed(r#"{"orgs":[{"key":"b","name":"C"}]}"#)).unwrap();
        assert_eq!(kept, first);
        let changed = merge(&first, &seed(r#"{"update":true,"delete":true,"orgs":[{"key":"b","name":"C"}]}"#)).unwrap();
        let changed: Value = serde_json::from_str(&changed).unwrap();
        assert_eq!(changed["orgs"], json!([{"key": "b", "name": "C", "id": 2}]));
    }

    #[test]
    fn rows_that_speak_of_nothing_are_refused() {
        let wrong = seed(r#"{"projects":[{"key":"p","name":"P","org_key":"nobody"}]}"#);
        assert!(wrong.check().unwrap_err().contains("nobody"));
        assert!(seed(r#"{"orgs":[{"key":"a","name":"A"},{"key":"a","name":"B"}]}"#).check().is_err());
    }
}
