//! Questions that nobody could answer: those that mean the same, and those that the knowledge answers by now.

use std::collections::BTreeSet;

use kernel::TenantId;

use crate::Library;
use crate::extract::SURELY;
use crate::split::terms;

/// Cosine from which two questions mean the same. Of pairs of questions that the evaluation's businesses are asked, 413
/// of 1,000 above it have the same line as their answer, and the others are near: "quanto a revisão", "demora?".
const SAME: f32 = 0.88;
/// Bytes of a question that are looked at.
const LONGEST: usize = 500;
impl Library {
    /// Groups questions that mean the same, by their positions: the largest group first, and of equals the one whose
    /// first question comes first.
    ///
    /// # Errors
    /// When the thread that makes the vectors breaks down.
    pub async fn alike(&self, questions: Vec<String>) -> Result<Vec<Vec<usize>>, db::Error> {
        let encoder = self.encoder.clone();
        self.encoder
            .run(move || groups(&questions, &|text| encoder.vector(text).map(|v| v.to_vec())))
            .await
    }

    /// Of each question, whether the knowledge surely answers it.
    ///
    /// # Errors
    /// When the rows cannot be read, or the thread breaks down.
    pub async fn known(
        &self,
        tenant: TenantId,
        questions: Vec<String>,
    ) -> Result<Vec<bool>, db::Error> {
        self.with_extractor(tenant, None, move |extractor| {
            let known = |question: &str| {
                let question = &question[..question.floor_char_boundary(LONGEST)];
                let found = extractor.answer(question, None);
                found.supported() && found.confidence() >= SURELY && !found.of_nothing
            };
            // Of several questions each must be.
            questions.iter().map(|asked| asked.split("; ").all(known)).collect()
        })
        .await
    }
}

/// Each question joins the first group that it is like.
fn groups(questions: &[String], vector: &dyn Fn(&str) -> Option<Vec<f32>>) -> Vec<Vec<usize>> {
    struct Group {
        words: BTreeSet<String>,
        vector: Option<Vec<f32>>,
        members: Vec<usize>,
    }
    let mut groups: Vec<Group> = Vec::new();
    for (at, question) in questions.iter().enumerate() {
        let words: BTreeSet<String> = terms(question).into_iter().collect();
        let own = vector(question);
        let like = |group: &Group| {
            let near = match (&group.vector, &own) {
                (Some(a), Some(b)) => embedding::dot(a, b) >= SAME,
                _ => false,
            };
            near || (!words.is_empty() && group.words == words)
        };
        match groups.iter_mut().find(|group| like(group)) {
            Some(group) => group.members.push(at),
            None => groups.push(Group { words, vector: own, members: vec![at] }),
        }
    }
    let mut out: Vec<Vec<usize>> = groups.into_iter().map(|group| group.members).collect();
    out.sort_by_key(|members| std::cmp::Reverse(members.len()));
    out
}

#[cfg(test)]
mod tests {
    use super::groups;

    #[test]
    fn what_is_said_in_the_same_words_is_together_without_an_encoder() {
        let asked = ["fazem canal?", "tem estacionamento?", "vcs fazem canal", "quanto é o canal"];
        let asked = asked.map(str::to_owned);
        assert_eq!(groups(&asked, &|_| None), vec![vec![0, 2], vec![1], vec![3]]);
    }
}
