//! A reading of the metrics endpoint.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

#[derive(Clone, Debug)]
pub struct Scrape {
    samples: Vec<Sample>,
    types: BTreeMap<String, String>,
}

impl Scrape {
    /// Parses the text exposition format; any line that is not in it fails the test.
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        let (mut samples, mut types) = (Vec::new(), BTreeMap::new());
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("# TYPE name kind");
                types.insert(name.to_owned(), kind.to_owned());
            } else if !line.starts_with('#') {
                samples.push(sample(line).unwrap_or_else(|| panic!("not a sample: {line:?}")));
            }
        }
        Self { samples, types }
    }

    /// The sum of all samples of that name whose labels agree.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let agree = |sample: &&Sample| {
            sample.name == name
                && labels
                    .iter()
                    .all(|(k, v)| sample.labels.get(*k).is_some_and(|l| l == v))
        };
        self.samples
            .iter()
            .filter(agree)
            .map(|sample| sample.value)
            .sum()
    }

    /// The sum of all samples of that name, of which there must be one: what is not there is not 0.
    #[track_caller]
    pub fn value(&self, name: &str) -> f64 {
        assert!(self.has(name), "the metrics do not tell {name}");
        self.sum(name, &[])
    }

    pub fn has(&self, name: &str) -> bool {
        self.samples.iter().any(|sample| sample.name == name)
    }

    /// Every value that the label has under that name.
    pub fn label_values(&self, name: &str, label: &str) -> BTreeSet<String> {
        let of_name = self.samples.iter().filter(|sample| sample.name == name);
        of_name
            .filter_map(|sample| sample.labels.get(label).cloned())
            .collect()
    }

    pub fn series(&self, name: &str) -> usize {
        self.samples
            .iter()
            .filter(|sample| sample.name == name)
            .count()
    }

    /// Names of samples that belong to no declared type.
    pub fn undeclared(&self) -> Vec<&str> {
        let suffixes = [
            "", "_total", "_bucket", "_sum", "_count", "_info", "_created",
        ];
        let declared = |name: &str| {
            let mut bases = suffixes
                .iter()
                .filter_map(|suffix| name.strip_suffix(suffix));
            bases.any(|base| self.types.contains_key(base))
        };
        let names = self.samples.iter().map(|sample| sample.name.as_str());
        names.filter(|name| !declared(name)).collect()
    }
}

fn sample(line: &str) -> Option<Sample> {
    let (name, rest) = match line.find('{') {
        Some(open) => (&line[..open], &line[open + 1..]),
        None => {
            let (name, value) = line.split_once(' ')?;
            return plain(name, BTreeMap::new(), value);
        }
    };
    let mut labels = BTreeMap::new();
    let mut rest = rest;
    loop {
        rest = rest.trim_start_matches(',');
        if let Some(value) = rest.strip_prefix('}') {
            return plain(name, labels, value);
        }
        let (key, after) = rest.split_once("=\"")?;
        let end = closing_quote(after)?;
        labels.insert(
            key.to_owned(),
            after[..end].replace("\\\"", "\"").replace("\\\\", "\\"),
        );
        rest = &after[end + 1..];
    }
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let closes = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closes.then_some(at)
    })
}

fn plain(name: &str, labels: BTreeMap<String, String>, value: &str) -> Option<Sample> {
    let value = value.split_whitespace().next()?.parse().ok()?;
    Some(Sample {
        name: name.to_owned(),
        labels,
        value,
    })
}
