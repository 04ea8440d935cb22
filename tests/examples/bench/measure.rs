//! Rows: one workload on several sides, which take turns in the same run.

use std::pin::Pin;

use anyhow::Result;
use serde::Serialize;

/// Does the workload once, and tells its number: seconds, or what the row's unit says.
pub(super) type Work<'a> = Box<dyn FnMut() -> Pin<Box<dyn Future<Output = Result<f64>> + 'a>> + 'a>;

/// One side of a row.
pub(super) struct Side<'a> {
    name: String,
    work: Work<'a>,
}

impl<'a> Side<'a> {
    pub(super) fn new<F>(name: impl Into<String>, mut work: impl FnMut() -> F + 'a) -> Self
    where
        F: Future<Output = Result<f64>> + 'a,
    {
        Self {
            name: name.into(),
            work: Box::new(move || Box::pin(work())),
        }
    }
}

/// What the numbers of a row are.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Unit {
    Seconds,
    PerSecond,
    Bytes,
}

/// A measured row.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) unit: Unit,
    pub(super) sides: Vec<Measured>,
}

/// The samples of one side.
#[derive(Debug, Serialize)]
pub(super) struct Measured {
    pub(super) side: String,
    pub(super) median: f64,
    /// The lower and the upper quartile.
    pub(super) quartiles: [f64; 2],
    pub(super) samples: Vec<f64>,
}

impl Measured {
    fn of(side: String, samples: Vec<f64>) -> Self {
        let mut sorted = samples.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |part: f64| sorted[((sorted.len() - 1) as f64 * part).round() as usize];
        Self {
            side,
            median: at(0.5),
            quartiles: [at(0.25), at(0.75)],
            samples,
        }
    }
}

/// Measures a row: each side `runs` times after one that does not count, in alternation, so that all of
/// them meet the same load.
pub(super) async fn row(
    name: &str,
    unit: Unit,
    runs: usize,
    mut sides: Vec<Side<'_>>,
) -> Result<Row> {
    let mut samples = vec![Vec::with_capacity(runs); sides.len()];
    for run in 0..=runs {
        for (side, samples) in sides.iter_mut().zip(&mut samples) {
            let number = (side.work)().await?;
            if run > 0 {
                samples.push(number);
            }
        }
    }
    let measured = sides.into_iter().zip(samples);
    Ok(Row {
        name: name.to_owned(),
        unit,
        sides: measured
            .map(|(side, samples)| Measured::of(side.name, samples))
            .collect(),
    })
}
