//! The values of a vault's secrets: those that are sent, and those that are still masked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sandbox_net_egress::Limit;
use sandbox_net_egress::account::{HostMemory, Reservation};
use tokio::time::Instant;

use super::callback::{Asking, Callback, CallbackFault, Fresh};
use super::mask::Masker;
use super::value::SecretValue;

/// How many of a secret's former values are masked. A host that stored a value may return it later.
const FORMER: usize = 4;

/// What a source gives.
pub(super) enum Given {
    /// A value now.
    Value(SecretValue),
    /// Code that has one when it is asked.
    Callback(Callback),
}

/// The values of one secret.
pub(super) struct Values {
    callback: Option<Callback>,
    /// `None` before a callback was asked.
    present: Option<Fresh>,
    /// The latest first.
    former: VecDeque<SecretValue>,
    /// How often its source was replaced.
    version: u64,
}

/// The values of all secrets.
pub(super) struct AllValues {
    all: Vec<Values>,
    masker: Masker,
    /// For each value of the masker the secret that has it.
    owners: Vec<usize>,
    /// How often the masker was made anew.
    generation: u64,
}

/// The values of all secrets of one sandbox. Cloning gives another handle.
#[derive(Clone)]
pub(super) struct SharedValues(Arc<Mutex<AllValues>>);

/// Why there is no value.
#[derive(Clone, Copy, Debug)]
pub(super) enum NoValue {
    /// The callback gave none.
    Fault(CallbackFault),
    /// There is no memory to mask it.
    Limit(Limit),
}

/// A value, or the question that has to be waited for.
pub(super) enum Wanted {
    Value(SecretValue),
    Asking(Asking, u64),
}

impl Values {
    fn new(given: Given) -> Self {
        let mut values = Self {
            callback: None,
            present: None,
            former: VecDeque::new(),
            version: 0,
        };
        values.take(given);
        values
    }

    fn take(&mut self, given: Given) {
        match given {
            Given::Value(value) => {
                self.callback = None;
                self.set(Fresh { value, until: None });
            }
            Given::Callback(callback) => {
                self.callback = Some(callback);
                if let Some(present) = self.present.take() {
                    self.retire(present.value);
                }
            }
        }
    }

    /// Sets the value that is sent.
    fn set(&mut self, fresh: Fresh) {
        self.former.retain(|former| *former != fresh.value);
        if let Some(before) = self.present.replace(fresh)
            && self
                .present
                .as_ref()
                .is_some_and(|now| now.value != before.value)
        {
            self.retire(before.value);
        }
    }

    fn retire(&mut self, value: SecretValue) {
        self.former.push_front(value);
        self.former.truncate(FORMER);
    }

    /// The value that may be sent now.
    fn valid(&self) -> Option<&SecretValue> {
        let present = self.present.as_ref()?;
        let is_valid = present.until.is_none_or(|until| Instant::now() < until);
        is_valid.then_some(&present.value)
    }

    /// All that are masked.
    fn masked(&self) -> impl Iterator<Item = &SecretValue> {
        let present = self.present.iter().map(|present| &present.value);
        present.chain(&self.former)
    }

    fn fork(&self) -> Self {
        Self {
            callback: self.callback.as_ref().map(Callback::fork),
            present: self.present.clone(),
            former: self.former.clone(),
            version: self.version,
        }
    }
}

impl SharedValues {
    pub(super) fn new(values: AllValues) -> Self {
        Self(Arc::new(Mutex::new(values)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, AllValues> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AllValues {
    pub(super) fn new(given: impl IntoIterator<Item = Given>) -> Self {
        let mut values = Self {
            all: given.into_iter().map(Values::new).collect(),
            masker: Masker::new(&[]),
            owners: Vec::new(),
            generation: 0,
        };
        values.mask_anew(None);
        values
    }

    /// The same values, which go their own way.
    pub(super) fn fork(&self) -> Self {
        Self {
            all: self.all.iter().map(Values::fork).collect(),
            // The memory is the parent's.
            masker: self.masker.clone().held_in(None),
            owners: self.owners.clone(),
            generation: self.generation,
        }
    }

    /// For each secret the value that may be sent now.
    pub(super) fn valid(&self) -> Vec<Option<SecretValue>> {
        self.all.iter().map(|one| one.valid().cloned()).collect()
    }

    /// The value of a secret, or the question for it.
    pub(super) fn want(&mut self, index: usize, name: &str) -> Result<Wanted, CallbackFault> {
        let one = &mut self.all[index];
        if let Some(value) = one.valid() {
            return Ok(Wanted::Value(value.clone()));
        }
        // Only a callback's value can be missing or over.
        let callback = one.callback.as_mut().ok_or(CallbackFault::Failed)?;
        Ok(Wanted::Asking(callback.ask(name)?, one.version))
    }

    /// Takes the answer to a question; returns the value to send, which is masked from now on. `None`
    /// if the secret has another source by now.
    ///
    /// A program decides how often it is asked, and holds the masker of each answer as long as it has
    /// an unread response: their memory is the program's.
    pub(super) fn answered(
        &mut self,
        index: usize,
        (asking, version): (&Asking, u64),
        answer: Result<Fresh, CallbackFault>,
        memory: &HostMemory,
    ) -> Option<Result<SecretValue, NoValue>> {
        let one = &mut self.all[index];
        if one.version != version {
            return None;
        }
        let fault = answer.as_ref().err().copied();
        let callback = one.callback.as_mut();
        let is_first = callback.is_some_and(|callback| callback.answered(asking, fault));
        Some(answer.map_err(NoValue::Fault).and_then(|fresh| {
            let is_known = self.all[index].masked().any(|known| *known == fresh.value);
            let value = fresh.value.clone();
            if !is_known {
                let all = self.all.iter().flat_map(Values::masked).chain([&value]);
                let bytes = all.map(|value| value.expose().len()).sum();
                let held = memory
                    .reserve(Masker::cost(bytes))
                    .map_err(NoValue::Limit)?;
                self.all[index].set(fresh);
                self.mask_anew(Some(held));
            } else if is_first {
                // Of those that waited for one answer, the first sets it.
                self.all[index].set(fresh);
            }
            Ok(value)
        }))
    }

    /// Replaces the source of a secret.
    pub(super) fn replace(&mut self, index: usize, given: Given) {
        let one = &mut self.all[index];
        one.version += 1;
        one.take(given);
        self.mask_anew(None);
    }

    /// Masks the values of the secrets that are wanted, by their indices; with the generation that
    /// this is.
    pub(super) fn masker(&self, is_wanted: impl Fn(usize) -> bool) -> (Masker, u64) {
        let masker = self.masker.only(|value| is_wanted(self.owners[value]));
        (masker, self.generation)
    }

    /// Whether a value of the secrets that are wanted is masked.
    pub(super) fn masks(&self, value: &SecretValue, is_wanted: impl Fn(usize) -> bool) -> bool {
        let mut all = self.all.iter().enumerate();
        all.any(|(index, one)| is_wanted(index) && one.masked().any(|known| known == value))
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    fn mask_anew(&mut self, held: Option<Reservation>) {
        let (mut values, mut owners) = (Vec::new(), Vec::new());
        for (owner, one) in self.all.iter().enumerate() {
            for value in one.masked() {
                values.push(value.clone());
                owners.push(owner);
            }
        }
        self.masker = Masker::new(&values).held_in(held);
        self.owners = owners;
        self.generation += 1;
    }
}
