//! Which release of each module satisfies all dependencies together (pure).
//!
//! A search with backtracking: the first module that has no release yet gets the best one that fits
//! everything asked of it so far; if what that release needs cannot be met, the next best. Best is
//! the pinned release, then the highest stable version, then the highest prerelease, then releases
//! whose version is no number. So the result depends on the dependencies and on the catalog, and on
//! no order in which they were found.

use std::collections::BTreeMap;
use std::fmt;

use crate::app::dependencies::version::{Constraint, Version};
use crate::app::pipeline::link::{DEPENDENCY_KIND, Dependency};
use crate::core::registry::Entry;
use crate::infra::error::{Error, Kind, Result};
use crate::infra::transcoder::Value;

/// Releases tried before the search is given up; real projects need one for each module.
const TRIES_MAX: usize = 10_000;
/// Modules in one application; the search nests this deep.
const MODULES_MAX: usize = 500;

/// One version of a module that can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// As it is written in lock files and metadata; empty for a directory of the workspace, which has
    /// no version and fits every constraint.
    pub version: String,
}

impl Release {
    fn number(&self) -> Option<Version> {
        Version::parse(&self.version)
    }
}

/// Where modules come from.
pub trait Catalog {
    /// The releases of `module`, in any order; none if nobody knows it.
    fn releases(&self, module: &str) -> Result<Vec<Release>>;

    /// The entries of a release that [`Catalog::releases`] named, tagged and not linked.
    fn entries(&self, module: &str, release: &Release) -> Result<Vec<Entry>>;

    /// What this release of `module` depends on.
    fn needs(&self, module: &str, release: &Release) -> Result<Vec<Need>> {
        needs_of(&self.entries(module, release)?)
    }
}

/// What the dependencies among `entries` ask for.
pub fn needs_of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Result<Vec<Need>> {
    let dependencies = entries.into_iter().filter(|entry| entry.kind == DEPENDENCY_KIND);
    dependencies.map(|entry| Dependency::of(entry).map(|d| Need::of(&d))).collect()
}

/// Somebody needs a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// `org/module`.
    pub module: String,
    /// The constraint as it was written.
    pub constraint: String,
    /// Who needs it: the id of the `ns.dependency`.
    pub by: String,
}

impl Need {
    pub fn of(dependency: &Dependency) -> Need {
        Need {
            module: dependency.component.clone(),
            constraint: dependency.version.clone(),
            by: dependency.id.to_string(),
        }
    }

    fn accepts(&self, release: &Release) -> bool {
        if release.version.is_empty() || release.version == self.constraint {
            return true;
        }
        match (Constraint::parse(&self.constraint), release.number()) {
            (Some(constraint), Some(number)) => constraint.fits(&number),
            (Some(constraint), None) => constraint.is_any(),
            (None, _) => false,
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let constraint = if self.constraint.is_empty() { "*" } else { &self.constraint };
        write!(f, "{constraint} ({})", self.by)
    }
}

/// A release for each module that is needed.
pub type Resolution = BTreeMap<String, Release>;

/// Finds releases for all `roots` and what they need. `pinned` names the versions to keep where they
/// fit. `CONFLICT` "dependency resolution failed" if there are none.
pub fn resolve(
    roots: Vec<Need>,
    pinned: &BTreeMap<String, String>,
    catalog: &dyn Catalog,
) -> Result<Resolution> {
    let mut search = Search {
        pinned,
        catalog,
        chosen: Resolution::new(),
        needs: roots,
        dead_end: None,
        tries: 0,
    };
    match search.run()? {
        true => Ok(search.chosen),
        false => Err(search.dead_end.unwrap_or_default().into_error()),
    }
}

struct Search<'a> {
    pinned: &'a BTreeMap<String, String>,
    catalog: &'a dyn Catalog,
    chosen: Resolution,
    /// Of the roots and of all chosen releases, in the order in which they were found.
    needs: Vec<Need>,
    /// The first one met: it comes from the best releases, so it is the one to tell about.
    dead_end: Option<DeadEnd>,
    tries: usize,
}

impl Search<'_> {
    /// Chooses releases for all needs; on `false` everything is as it was before.
    fn run(&mut self) -> Result<bool> {
        let Some(module) = self.open_module() else {
            return Ok(true);
        };
        if self.chosen.len() >= MODULES_MAX {
            return Err(Error::new(
                Kind::Conflict,
                "dependency resolution failed: too many modules",
            ));
        }
        let mut releases = self.catalog.releases(&module)?;
        let all = releases.clone();
        releases.retain(|release| self.asked_of(&module).all(|need| need.accepts(release)));
        if releases.is_empty() {
            self.meet_dead_end(&module, &all);
            return Ok(false);
        }
        let pinned = self.pinned.get(&module);
        releases.sort_by_cached_key(|release| {
            let number = release.number();
            let is_stable = number.as_ref().is_some_and(Version::is_stable);
            let is_pinned = pinned == Some(&release.version);
            std::cmp::Reverse((is_pinned, is_stable, number, release.version.clone()))
        });
        for release in releases {
            self.tries += 1;
            if self.tries > TRIES_MAX {
                return Err(Error::new(
                    Kind::Conflict,
                    format!("dependency resolution failed: no result after {TRIES_MAX} tries"),
                ));
            }
            let n_needs = self.needs.len();
            self.needs.extend(self.catalog.needs(&module, &release)?);
            self.chosen.insert(module.clone(), release);
            if self.chosen_fit_since(n_needs) && self.run()? {
                return Ok(true);
            }
            self.chosen.remove(&module);
            self.needs.truncate(n_needs);
        }
        Ok(false)
    }

    /// The first needed module that has no release yet.
    fn open_module(&self) -> Option<String> {
        let open = self.needs.iter().find(|need| !self.chosen.contains_key(&need.module));
        open.map(|need| need.module.clone())
    }

    fn asked_of<'b>(&'b self, module: &'b str) -> impl Iterator<Item = &'b Need> {
        self.needs.iter().filter(move |need| need.module == module)
    }

    /// What was chosen before still fits, given the needs from the `n`th on.
    fn chosen_fit_since(&mut self, n: usize) -> bool {
        let unmet = self.needs[n..].iter().find_map(|need| {
            let release = self.chosen.get(&need.module)?;
            (!need.accepts(release)).then(|| (need.module.clone(), release.clone()))
        });
        match unmet {
            None => true,
            Some((module, release)) => {
                self.meet_dead_end(&module, &[release]);
                false
            }
        }
    }

    fn meet_dead_end(&mut self, module: &str, releases: &[Release]) {
        if self.dead_end.is_none() {
            let needs = self.asked_of(module).cloned().collect();
            let releases = releases.iter().map(|release| release.version.clone()).collect();
            self.dead_end = Some(DeadEnd { module: module.to_owned(), needs, releases });
        }
    }
}

/// A module for which nothing fits.
#[derive(Default)]
struct DeadEnd {
    module: String,
    needs: Vec<Need>,
    releases: Vec<String>,
}

impl DeadEnd {
    /// With `count`, `summary` and `errors` as details, one error for each need.
    fn into_error(self) -> Error {
        let DeadEnd { module, needs, mut releases } = self;
        releases.sort();
        let there_is = match releases.is_empty() {
            true => "no release of it is there".to_owned(),
            false => format!("there is {}", releases.join(", ")),
        };
        let wanted: Vec<String> = needs.iter().map(Need::to_string).collect();
        let summary = format!("{module}: nothing fits {}; {there_is}", wanted.join(", "));
        let errors: Vec<Value> = needs
            .into_iter()
            .map(|need| {
                let message = match Constraint::parse(&need.constraint) {
                    Some(_) => format!("needed by {}; {there_is}", need.by),
                    None => format!("needed by {}; this is no constraint", need.by),
                };
                Value::from([
                    ("module", module.as_str().into()),
                    ("constraint", need.constraint.into()),
                    ("message", message.into()),
                ])
            })
            .collect();
        let details = Value::from([
            ("count", Value::Int(errors.len() as i64)),
            ("summary", summary.as_str().into()),
            ("errors", Value::List(errors)),
        ]);
        let cause = Error::invalid(summary);
        Error::new(Kind::Conflict, "dependency resolution failed")
            .with_details(details)
            .with_source(cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of the form `module version: need constraint, need constraint`.
    struct Table(&'static str);

    impl Table {
        fn rows(&self) -> impl Iterator<Item = (&str, &str, &str)> {
            self.0.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| {
                let (release, needs) = line.split_once(':').expect("a colon");
                let (module, version) = release.split_once(' ').expect("a version");
                (module, version, needs)
            })
        }
    }

    impl Catalog for Table {
        fn releases(&self, module: &str) -> Result<Vec<Release>> {
            let releases = self.rows().filter(|(name, ..)| *name == module);
            Ok(releases.map(|(_, version, _)| Release { version: version.to_owned() }).collect())
        }

        fn entries(&self, _: &str, _: &Release) -> Result<Vec<Entry>> {
            Ok(Vec::new())
        }

        fn needs(&self, module: &str, release: &Release) -> Result<Vec<Need>> {
            let row = self.rows().find(|row| row.0 == module && row.1 == release.version);
            Ok(needs(row.expect("a known release").2, module))
        }
    }

    fn needs(text: &str, by: &str) -> Vec<Need> {
        let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
        texts
            .map(|text| {
                let (module, constraint) = text.split_once(' ').unwrap_or((text, ""));
                let (module, constraint) = (module.to_owned(), constraint.to_owned());
                Need { module, constraint, by: by.to_owned() }
            })
            .collect()
    }

    fn outcome(table: &'static str, roots: &str, pinned: &[(&str, &str)]) -> Result<String> {
        let pinned = pinned.iter().map(|(m, v)| ((*m).to_owned(), (*v).to_owned())).collect();
        let chosen = resolve(needs(roots, "app:root"), &pinned, &Table(table))?;
        let chosen: Vec<String> =
            chosen.into_iter().map(|(module, r)| format!("{module} {}", r.version)).collect();
        Ok(chosen.join(", "))
    }

    #[track_caller]
    fn check(table: &'static str, roots: &str, pinned: &[(&str, &str)], expect: &str) {
        assert_eq!(outcome(table, roots, pinned).as_deref(), Ok(expect));
    }

    const TABLE: &str = "
        o/a 1.0.0: o/b ^1
        o/a v2.0.0: o/b ^2
        o/a 2.1.0-rc.1: o/b ^2
        o/b 1.0.0:
        o/b 1.5.0:
        o/b 2.0.0:
        o/c 1.0.0: o/b <1.5
        o/d main: o/a *
    ";

    #[test]
    fn the_highest_stable_release_wins() {
        check(TABLE, "", &[], "");
        check(TABLE, "o/b", &[], "o/b 2.0.0");
        check(TABLE, "o/a", &[], "o/a v2.0.0, o/b 2.0.0");
        check(TABLE, "o/a >=2.1.0-rc.1", &[], "o/a 2.1.0-rc.1, o/b 2.0.0");
        check(TABLE, "o/d main", &[], "o/a v2.0.0, o/b 2.0.0, o/d main");
        check(TABLE, "o/d", &[], "o/a v2.0.0, o/b 2.0.0, o/d main");
    }

    #[test]
    fn pinned_releases_stay_while_they_fit() {
        check(TABLE, "o/b", &[("o/b", "1.0.0")], "o/b 1.0.0");
        check(TABLE, "o/b ^2", &[("o/b", "1.0.0")], "o/b 2.0.0");
        check(TABLE, "o/a ^1", &[("o/b", "1.0.0")], "o/a 1.0.0, o/b 1.0.0");
    }

    #[test]
    fn a_choice_is_taken_back_when_it_leads_nowhere() {
        // The newest o/a needs an o/b that o/c refuses.
        check(TABLE, "o/a, o/c", &[], "o/a 1.0.0, o/b 1.0.0, o/c 1.0.0");
        check(TABLE, "o/c, o/a", &[], "o/a 1.0.0, o/b 1.0.0, o/c 1.0.0");
        // What was chosen first is refused by what comes later.
        check(TABLE, "o/b, o/c", &[], "o/b 1.0.0, o/c 1.0.0");
    }

    #[test]
    fn modules_may_need_each_other() {
        check("o/a 1.0.0: o/b *\no/b 1.0.0: o/a ^1", "o/a", &[], "o/a 1.0.0, o/b 1.0.0");
        check("o/a 1.0.0: o/a *", "o/a", &[], "o/a 1.0.0");
    }

    #[track_caller]
    fn check_conflict(roots: &str, count: i64, summary: &str) {
        let error = outcome(TABLE, roots, &[]).unwrap_err();
        assert_eq!(*error.kind(), Kind::Conflict);
        assert_eq!(error.to_string(), format!("dependency resolution failed: {summary}"));
        let detail = |key| error.details().and_then(|details| details.get(key)).cloned();
        assert_eq!(detail("summary"), Some(summary.into()));
        assert_eq!(detail("count"), Some(Value::Int(count)));
        let Some(Value::List(errors)) = detail("errors") else { panic!("no list") };
        assert_eq!(errors.len() as i64, count);
        for error in errors {
            for key in ["module", "constraint", "message"] {
                assert!(error.get(key).and_then(Value::as_str).is_some(), "{key}");
            }
        }
    }

    #[test]
    fn conflicts_name_who_wants_what() {
        check_conflict(
            "o/gone ^1",
            1,
            "o/gone: nothing fits ^1 (app:root); no release of it is there",
        );
        check_conflict(
            "o/b ^3",
            1,
            "o/b: nothing fits ^3 (app:root); there is 1.0.0, 1.5.0, 2.0.0",
        );
        check_conflict(
            "o/c, o/b ^2",
            2,
            "o/b: nothing fits ^2 (app:root), <1.5 (o/c); there is 1.0.0, 1.5.0, 2.0.0",
        );
        check_conflict(
            "o/b what?",
            1,
            "o/b: nothing fits what? (app:root); there is 1.0.0, 1.5.0, 2.0.0",
        );
    }

    #[test]
    fn a_hopeless_search_ends() {
        // Each of these modules has many releases, and no choice among them helps the last one.
        struct Maze;
        impl Catalog for Maze {
            fn releases(&self, module: &str) -> Result<Vec<Release>> {
                let n = if module == "o/m0" { 0 } else { 10 };
                Ok((0..n).map(|i| Release { version: format!("1.0.{i}") }).collect())
            }

            fn entries(&self, _: &str, _: &Release) -> Result<Vec<Entry>> {
                Ok(Vec::new())
            }

            fn needs(&self, module: &str, _: &Release) -> Result<Vec<Need>> {
                let n: usize = module[3..].parse().unwrap();
                Ok(needs(&format!("o/m{}", n - 1), module))
            }
        }
        let error = resolve(needs("o/m20", "app:root"), &BTreeMap::new(), &Maze).unwrap_err();
        assert!(error.to_string().contains("no result after"), "{error}");
        let error = resolve(needs("o/m9999", "app:root"), &BTreeMap::new(), &Maze).unwrap_err();
        assert!(error.to_string().contains("too many modules"), "{error}");
    }
}
