//! Reports which budgets a program used up, and how to raise each.

use std::collections::BTreeMap;

use sandbox_net_gateway::ReachedBudget;
use sandbox_net_gateway::audit::{DecisionRecord, ExchangeRecord, LookupRecord};
use serde::Serialize;

use crate::script::Outcome;
use crate::session::TurnOutcome;

/// A budget, and how often it refused something.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Reached<'a> {
    /// The budget, with its key and its value.
    #[serde(flatten)]
    pub budget: &'a ReachedBudget,
    /// How often it refused something.
    pub times: u64,
    /// What was reached and how to raise it, as a sentence.
    pub message: String,
}

impl Outcome {
    /// The budgets that refused something, by their keys.
    pub fn budgets_reached(&self) -> Vec<Reached<'_>> {
        reached(&self.decisions, &self.lookups, &self.exchanges)
    }
}

impl TurnOutcome {
    /// The budgets that refused something in this turn, by their keys.
    pub fn budgets_reached(&self) -> Vec<Reached<'_>> {
        reached(&self.decisions, &self.lookups, &self.exchanges)
    }
}

fn reached<'a>(
    decisions: &'a [DecisionRecord],
    lookups: &'a [LookupRecord],
    exchanges: &'a [ExchangeRecord],
) -> Vec<Reached<'a>> {
    let decisions = decisions.iter();
    let decisions = decisions.map(|record| (&record.budget, record.repeats));
    let lookups = lookups.iter();
    let lookups = lookups.map(|record| (&record.budget, record.repeats));
    let exchanges = exchanges.iter().map(|record| (&record.budget, 0));
    let mut counts = BTreeMap::new();
    for (budget, repeats) in decisions.chain(lookups).chain(exchanges) {
        if let Some(budget) = budget {
            let entry = (budget.key.as_ref(), budget.value);
            counts.entry(entry).or_insert((budget, 0_u64)).1 += 1 + repeats;
        }
    }
    let counted = counts.into_values();
    counted
        .map(|(budget, times)| Reached {
            message: sentence(budget, times),
            budget,
            times,
        })
        .collect()
}

fn sentence(budget: &ReachedBudget, times: u64) -> String {
    let ReachedBudget {
        key, value, fixed, ..
    } = budget;
    let times = match times {
        1 => "once".to_owned(),
        times => format!("{times} times"),
    };
    match fixed {
        true if key == "requests" => format!(
            "this run's limit of {value} requests was reached, and refused something {times}; raise its \
             request_limit"
        ),
        true if key == "lookups_at_once" => format!(
            "the host's limit of {value} lookups at once was reached, and refused something {times}; \
             no key of the policy changes it"
        ),
        true if key == "total_host_memory" => format!(
            "the engine's total_host_memory = {value} was reached, and refused something {times}; run \
             fewer programs at once, or raise it with EngineBuilder::total_host_memory"
        ),
        false => format!(
            "the budget {key} = {value} was reached, and refused something {times}; raise '{key}' \
             in the policy's [budgets]"
        ),
        true => format!(
            "the host's limit {key} = {value} was reached, and refused something {times}; '{key}' in \
             the policy's [budgets] can only lower it"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_told_with_its_value_and_its_key() {
        for (key, value, fixed, times, expected) in [
            (
                "requests",
                3,
                false,
                2,
                "the budget requests = 3 was reached, and refused something 2 times; raise \
                 'requests' in the policy's [budgets]",
            ),
            (
                "denials",
                100_000,
                false,
                1,
                "the budget denials = 100000 was reached, and refused something once; raise \
                 'denials' in the policy's [budgets]",
            ),
            (
                "connections",
                1024,
                true,
                1,
                "the host's limit connections = 1024 was reached, and refused something once; \
                 'connections' in the policy's [budgets] can only lower it",
            ),
            (
                "total_host_memory",
                9000,
                true,
                2,
                "the engine's total_host_memory = 9000 was reached, and refused something 2 times; run \
                 fewer programs at once, or raise it with EngineBuilder::total_host_memory",
            ),
            (
                "lookups_at_once",
                256,
                true,
                3,
                "the host's limit of 256 lookups at once was reached, and refused something 3 times; \
                 no key of the policy changes it",
            ),
        ] {
            let budget = serde_json::json!({ "key": key, "value": value, "fixed": fixed });
            let budget = serde_json::from_value(budget).unwrap();
            assert_eq!(sentence(&budget, times), expected);
        }
    }
}
