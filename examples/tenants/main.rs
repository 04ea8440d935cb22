//! One engine serves several tenants. Each has a sandbox with a policy, secrets, budgets, files and
//! connections of its own.
//!
//! A folder has `house.toml`, the policy that holds for all, and `TENANT.toml` for each tenant, with its
//! rules, its budgets and the sources of its secrets. A tenant may what both allow. It reads commands and
//! answers each with a line of JSON:
//!
//! - `run TENANT SCRIPT`: what the program printed, and how it ended
//! - `narrow TENANT RULE`: from now on the tenant may only what this rule allows, too
//! - `usage TENANT`: how much of its budgets the tenant has used

use std::collections::BTreeMap;
use std::path::Path;

use sandbox_net::policy::{Document, Policy};
use sandbox_net::{Engine, Sandbox, Script};
use serde_json::{Value, json};

struct Pool {
    tenants: BTreeMap<String, Sandbox>,
}

impl Pool {
    /// Makes a sandbox for each tenant.
    async fn open(folder: &Path) -> anyhow::Result<Self> {
        // The interpreter is compiled once, and all sandboxes share it.
        let engine = Engine::builder().build().await?;
        let house = std::fs::read_to_string(folder.join("house.toml"))?;
        let house = Policy::from(Document::parse(&house)?);
        let mut tenants = BTreeMap::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let (Some(name), Some("toml")) = (stem(&path), extension(&path)) else {
                continue;
            };
            if name == "house" {
                continue;
            }
            let sandbox = Sandbox::builder()
                .engine(engine.clone())
                .name(name)
                // The operator writes this file, because the source of a secret names something of the
                // operator: an environment variable, a file or a command.
                .policy_file(&path)
                // A request has to pass both policies, and the smaller one of two budgets counts. A
                // policy that the tenant writes is added in the same way: its secrets would be ignored.
                .intersect(house.clone())
                .build()
                .await?;
            tenants.insert(name.to_owned(), sandbox);
        }
        Ok(Self { tenants })
    }

    async fn answer(&self, command: &str) -> anyhow::Result<Value> {
        let mut words = command.splitn(3, ' ');
        let (Some(verb), Some(name)) = (words.next(), words.next()) else {
            anyhow::bail!("write a command and a tenant");
        };
        let Some(sandbox) = self.tenants.get(name) else {
            anyhow::bail!("there is no tenant '{name}'");
        };
        match (verb, words.next()) {
            ("run", Some(script)) => {
                let outcome = sandbox.run(Script::path(script)).await?;
                Ok(json!({
                    "tenant": name,
                    "exit_code": outcome.exit_code(),
                    "stdout": outcome.stdout_text(),
                    "stderr": outcome.stderr_text(),
                }))
            }
            ("narrow", Some(rule)) => {
                // Budgets, with what is used of them, and secrets stay. It counts at once, also for
                // programs that run.
                sandbox.set_policy(sandbox.policy().narrow([rule])?)?;
                Ok(json!({ "tenant": name, "narrowed": rule }))
            }
            ("usage", None) => Ok(json!({ "tenant": name, "usage": sandbox.usage() })),
            _ => anyhow::bail!("write 'run TENANT SCRIPT', 'narrow TENANT RULE' or 'usage TENANT'"),
        }
    }
}

fn stem(path: &Path) -> Option<&str> {
    path.file_stem()?.to_str()
}

fn extension(path: &Path) -> Option<&str> {
    path.extension()?.to_str()
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Some(folder) = std::env::args().nth(1) else {
        anyhow::bail!("usage: tenants FOLDER");
    };
    let pool = Pool::open(folder.as_ref()).await?;
    // One command at a time, for a short example: a sandbox runs any number of programs at once.
    for line in std::io::stdin().lines() {
        let answer = pool.answer(&line?).await;
        let answer = answer.unwrap_or_else(|error| json!({ "error": error.to_string() }));
        println!("{answer}");
    }
    for sandbox in pool.tenants.into_values() {
        sandbox.close().await?;
    }
    Ok(())
}
