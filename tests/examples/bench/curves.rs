//! Growth curves: how a cost grows with what it is the cost of.

use std::path::Path;

use anyhow::Result;
use sandbox_net::Engine;
use sandbox_net_tests::HttpServer;
use serde::Serialize;

use super::crowds::crowd;
use super::decisions;
use super::interpreters::Native;
use super::processes::Growth;

/// One plot.
#[derive(Debug, Serialize)]
pub(super) struct Curve {
    /// The plot's file, without its extension.
    pub(super) file: &'static str,
    pub(super) title: &'static str,
    pub(super) x: &'static str,
    pub(super) y: &'static str,
    pub(super) lines: Vec<Line>,
}

/// The points of one side.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) side: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// What the curves need.
pub(super) struct Place<'a> {
    pub(super) engine: Engine,
    pub(super) server: &'a HttpServer,
    pub(super) native: &'a Native,
    pub(super) command_line: &'a Path,
    pub(super) runs: usize,
}

/// A kind of `growth.py`: its plot, and the sizes.
struct Kind {
    kind: &'static str,
    file: &'static str,
    title: &'static str,
    x: &'static str,
    sizes: &'static [u64],
}

const KINDS: [Kind; 3] = [
    Kind {
        kind: "body",
        file: "body-size",
        title: "One GET by the size of its body",
        x: "bytes",
        sizes: &[
            1 << 10,
            1 << 14,
            1 << 17,
            1 << 20,
            1 << 23,
            1 << 26,
            1 << 28,
        ],
    },
    Kind {
        kind: "requests",
        file: "requests",
        title: "Requests over one connection",
        x: "requests",
        sizes: &[1, 10, 100, 1_000, 5_000],
    },
    Kind {
        kind: "headers",
        file: "headers",
        title: "One GET by the number of its fields",
        x: "fields",
        sizes: &[1, 10, 30, 60, 90],
    },
];

pub(super) const NAMES: [&str; 5] = ["body-size", "requests", "headers", "sandboxes", "rules"];

impl Place<'_> {
    /// Measures the curve of this file.
    pub(super) async fn measured(&self, name: &str) -> Result<Curve> {
        match KINDS.iter().find(|kind| kind.file == name) {
            Some(kind) => self.grown(kind).await,
            None if name == "sandboxes" => self.sandboxes().await,
            None => self.rules(),
        }
    }

    async fn grown(&self, kind: &Kind) -> Result<Curve> {
        let mut lines = [(self.native.version.as_str()), "sandbox-net"].map(|side| Line {
            side: side.to_owned(),
            points: Vec::new(),
        });
        for size in kind.sizes {
            let growth = Growth {
                kind: kind.kind,
                size: *size,
                runs: self.runs,
            };
            let row = growth
                .measured(self.native, self.command_line, self.server)
                .await?;
            for (line, side) in lines.iter_mut().zip(&row.sides) {
                line.points.push((*size as f64, side.median * 1e3));
            }
        }
        Ok(Curve {
            file: kind.file,
            title: kind.title,
            x: kind.x,
            y: "milliseconds",
            lines: lines.into(),
        })
    }

    async fn sandboxes(&self) -> Result<Curve> {
        let mut points = Vec::new();
        for count in [1, 10, 50, 100, 300, 1_000] {
            let crowd = crowd(&self.engine, self.server, count).await?;
            points.push((count as f64, crowd.seconds));
        }
        Ok(Curve {
            file: "sandboxes",
            title: "Sandboxes that each wait one second for a response",
            x: "sandboxes",
            y: "seconds until all are done",
            lines: vec![Line {
                side: "sandbox-net".to_owned(),
                points,
            }],
        })
    }

    fn rules(&self) -> Result<Curve> {
        let counts = [1, 10, 100, 1_000, 10_000];
        let lines = [
            ("allowed by the last rule", true),
            ("denied by no rule", false),
        ];
        let lines = lines.map(|(side, is_allowed)| {
            let points = counts.map(|count| {
                let time = decisions::by_rules(count, is_allowed)?;
                Ok::<_, anyhow::Error>((count as f64, time))
            });
            Ok::<_, anyhow::Error>(Line {
                side: side.to_owned(),
                points: points.into_iter().collect::<Result<_>>()?,
            })
        });
        Ok(Curve {
            file: "rules",
            title: "A decision by the number of rules",
            x: "rules",
            y: "microseconds",
            lines: lines.into_iter().collect::<Result<_>>()?,
        })
    }
}
