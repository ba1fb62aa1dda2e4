//! The text that exporters answer: one sample a line, `name{label="value"} 1.5`.

/// The value of the first sample of that name.
pub fn value(body: &str, name: &str) -> Option<f64> {
    samples(body, name).next()
}

/// The value of each sample of that name.
pub fn samples<'a>(body: &'a str, name: &'a str) -> impl Iterator<Item = f64> + 'a {
    labelled(body, name).map(|(_, value)| value)
}

/// The labels of each sample of that name, as they are written, and its value.
pub fn labelled<'a>(body: &'a str, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> + 'a {
    body.lines().filter_map(move |line| {
        let rest = line.strip_prefix(name)?;
        // An exemplar, which has labels of its own, may stand behind the sample.
        let rest = rest.rsplit_once(" # {").map_or(rest, |(sample, _)| sample);
        let (labels, value) = match rest.strip_prefix('{') {
            // A label's value may hold anything, closing braces too; what stands after the last one is the sample.
            Some(labelled) => labelled.rsplit_once('}')?,
            None if rest.starts_with([' ', '\t']) => ("", rest),
            None => return None,
        };
        Some((labels, value.split_whitespace().next()?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "# HELP redis_up Up\n# TYPE redis_up gauge\nredis_up 1\nredis_up_since{a=\"}\"} 12\n\
                        node_cpu{cpu=\"0\",mode=\"idle\"} 1.5e+03 1700000000000\nnode_cpu{cpu=\"1\"} NaN\nbroken{x\n";

    #[test]
    fn labels_are_told_and_an_exemplar_is_not_taken_for_the_sample() {
        let body = "report_scale_total{direction=\"up\"} 3 # {trace_id=\"4bf9\"} 1.0 1700000000.5\nplain_total 2 # {a=\"}\"} 9\n";
        assert_eq!(labelled(body, "report_scale_total").collect::<Vec<_>>(), [("direction=\"up\"", 3.0)]);
        assert_eq!(value(body, "plain_total"), Some(2.0));
    }

    #[test]
    fn a_sample_is_found_by_its_whole_name() {
        assert_eq!(value(BODY, "redis_up"), Some(1.0));
        assert_eq!(value(BODY, "redis_up_since"), Some(12.0));
        assert_eq!(value(BODY, "node_cpu"), Some(1500.0));
        assert_eq!(samples(BODY, "node_cpu").count(), 2);
        for absent in ["redis", "node_cpu_seconds", "broken", "# HELP"] {
            assert_eq!(value(BODY, absent), None, "{absent}");
        }
    }
}
