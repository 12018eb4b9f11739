//! What somebody meant who mistyped a name.

/// `, did you mean …?` where one of the names is near to what was given; nothing, where none is.
pub fn hint(given: &str, names: &[&str]) -> String {
    nearest(given, names)
        .map(|name| format!(", did you mean {name}?"))
        .unwrap_or_default()
}

/// The name that is nearest to what was given, the first of those that are equally near: at most one mistake for each
/// three characters of the name, or one. Where none is so near, the only name that begins with it.
pub fn nearest<'n>(given: &str, names: &[&'n str]) -> Option<&'n str> {
    let near = names
        .iter()
        .map(|name| (distance(given, name), *name))
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name);
    let begun = || {
        let mut begun = names.iter().filter(|name| !given.is_empty() && name.starts_with(given));
        begun.next().filter(|_| begun.next().is_none()).copied()
    };
    near.or_else(begun)
}

/// How many characters have to be added, dropped, replaced or swapped with their neighbour to make one text of the
/// other (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // Nobody mistypes a name that long, and the time grows with the product of the lengths.
    if a.len() > 64 {
        return usize::MAX;
    }
    let mut two_before: Vec<usize> = Vec::new();
    let mut before: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = before[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let swapped =
                (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]).then(|| two_before[j - 2] + 1);
            row.push(
                replaced
                    .min(before[j] + 1)
                    .min(row[j - 1] + 1)
                    .min(swapped.unwrap_or(usize::MAX)),
            );
        }
        two_before = std::mem::replace(&mut before, row);
    }
    before[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_name_is_found_and_another_one_is_not() {
        let ladder = ["dev", "test", "production"];
        for (given, meant) in [
            ("tset", Some("test")),
            ("tests", Some("test")),
            ("dve", Some("dev")),
            ("producton", Some("production")),
            ("prod", Some("production")),
            ("p", Some("production")),
            ("qa", None),
            ("", None),
            ("acceptance", None),
        ] {
            assert_eq!(nearest(given, &ladder), meant, "{given}");
        }
        let applications = ["acme/shop", "acme/stock", "acme/shop-admin"];
        for (given, meant) in [
            ("acme/shpo", Some("acme/shop")),
            ("acmee/stock", Some("acme/stock")),
            ("acme/shop-a", Some("acme/shop")),
            ("acme/s", Some("acme/shop")),
            ("other/thing", None),
        ] {
            assert_eq!(nearest(given, &applications), meant, "{given}");
        }
        assert_eq!(hint("tset", &ladder), ", did you mean test?");
        assert_eq!(hint("qa", &ladder), "");
    }
}
