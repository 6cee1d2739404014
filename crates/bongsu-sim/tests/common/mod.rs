//! Seeds by the many, by their list, and one by hand: the same for every world.
//!
//! Invariant: a seed is judged by its world alone; whoever reads a failure is told how to see it again.

/// The end of a log that is shown for a seed that fails.
const SHOWN: usize = 60;

/// One world, as tests know it.
pub(crate) struct World {
    /// The name of its tests.
    pub(crate) name: &'static str,
    /// Runs a seed: what is wrong with it, if anything, and its log.
    pub(crate) run: fn(u64) -> (Result<(), String>, String),
    /// Seeds that are run always.
    pub(crate) seeds: u64,
    /// Seeds that once failed: `number name` in each line.
    pub(crate) failed: &'static str,
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

impl World {
    fn judge(&self, seed: u64) -> Result<(), String> {
        let (judged, log) = (self.run)(seed);
        judged.map_err(|violation| {
            let lines: Vec<&str> = log.lines().collect();
            let shown = lines[lines.len().saturating_sub(SHOWN)..].join("\n");
            let name = self.name;
            format!("seed {seed}: {violation}\n{shown}\nBONGSU_SEED={seed} cargo test -p bongsu-sim --test {name} replay -- --nocapture")
        })
    }

    /// Each seed is a world of its own: they share nothing but the machine.
    pub(crate) fn every_seed_holds(&self) {
        let count = number("BONGSU_SIM_SEEDS").unwrap_or(self.seeds);
        let from = number("BONGSU_SIM_FROM").unwrap_or(1);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut failed: Vec<(u64, String)> = std::thread::scope(|scope| {
            let part = |first: u64| {
                let seeds = (from + first..from + count).step_by(threads);
                move || {
                    seeds
                        .filter_map(|seed| Some((seed, self.judge(seed).err()?)))
                        .collect::<Vec<_>>()
                }
            };
            let parts: Vec<_> = (0..threads as u64)
                .map(|first| scope.spawn(part(first)))
                .collect();
            let joined = parts
                .into_iter()
                .map(|part| part.join().expect("a world does not panic"));
            joined.flatten().collect()
        });
        failed.sort_unstable();
        let texts: Vec<&str> = failed.iter().map(|(_, text)| text.as_str()).collect();
        let shown = texts.first().copied().unwrap_or_default();
        let firsts: Vec<&str> = texts.iter().filter_map(|text| text.lines().next()).collect();
        assert!(
            failed.is_empty(),
            "{} of {count} seeds failed:\n{}\n\n{shown}",
            failed.len(),
            firsts.join("\n")
        );
    }

    pub(crate) fn seeds_that_once_failed_hold(&self) {
        let lines = self.failed.lines();
        for line in lines.filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let (seed, name) = line.split_once(' ').expect("a seed and its name");
            if let Err(text) = self.judge(seed.parse().expect("a seed is a number")) {
                panic!("{name}: {text}");
            }
        }
    }

    /// Runs the seed that is named in the environment, and shows its whole log.
    #[allow(clippy::print_stdout, reason = "whoever replays a seed reads it")]
    pub(crate) fn replay(&self) {
        let Some(seed) = number("BONGSU_SEED") else { return };
        let (judged, log) = (self.run)(seed);
        println!("{log}");
        if let Err(violation) = judged {
            panic!("seed {seed}: {violation}");
        }
    }
}
