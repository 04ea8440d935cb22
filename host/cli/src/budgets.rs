//! Tells which budgets a program used up, and how each is raised.

use std::collections::BTreeMap;

use sandbox_net::Outcome;
use sandbox_net::policy::Budgets;

/// What marks a budget in the place of a decision's rule, and in an exchange's error.
const RULE: &str = "budget:";
const ERROR: &str = "limit:";

/// A sentence for each limit that was reached.
pub(crate) fn reached(outcome: &Outcome, budgets: &Budgets) -> Vec<String> {
    let decisions = outcome.decisions.iter().map(|record| record.rule.as_str());
    let lookups = outcome.lookups.iter().map(|record| record.rule.as_str());
    let rules = decisions.chain(lookups);
    let rules = rules.filter_map(|rule| rule.strip_prefix(RULE));
    let exchanges = outcome.exchanges.iter();
    let errors = exchanges.filter_map(|record| record.error.as_deref()?.strip_prefix(ERROR));
    let mut counts = BTreeMap::new();
    for limit in rules.chain(errors) {
        *counts.entry(limit).or_insert(0_usize) += 1;
    }
    counts
        .into_iter()
        .filter_map(|(limit, count)| sentence(limit, count, budgets))
        .collect()
}

fn sentence(limit: &str, count: usize, budgets: &Budgets) -> Option<String> {
    let (key, value) = budgets.of_limit(limit)?;
    let times = match count {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    };
    Some(match value {
        Some(value) => format!(
            "the budget {key} = {value} was reached, and refused something {times}; raise '{key}' \
             in the policy's [budgets]"
        ),
        None => format!(
            "the host's limit {limit} was reached, and refused something {times}; '{key}' in the \
             policy's [budgets] can only lower it"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_told_with_its_value_and_its_key() {
        let budgets = Budgets {
            requests: Some(3),
            ..Budgets::default()
        };
        for (limit, count, expected) in [
            (
                "requests",
                2,
                "the budget requests = 3 was reached, and refused something 2 times; raise \
                 'requests' in the policy's [budgets]",
            ),
            (
                "denials",
                1,
                "the budget denials = 100000 was reached, and refused something once; raise \
                 'denials' in the policy's [budgets]",
            ),
            (
                "connections",
                1,
                "the host's limit connections was reached, and refused something once; \
                 'connections' in the policy's [budgets] can only lower it",
            ),
        ] {
            assert_eq!(sentence(limit, count, &budgets).unwrap(), expected);
        }
        assert_eq!(sentence("request-head-size", 1, &budgets), None);
    }
}
