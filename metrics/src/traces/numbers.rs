//! Telephone numbers in traces.

/// How telephone numbers, and users of SIP URIs, are written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum NumberForm {
    /// All characters but the last two become `*`; of four or fewer all do.
    #[default]
    Masked,
    /// As they are.
    Plain,
}

/// Characters that a mask leaves.
const SHOWN: usize = 2;
/// Texts of this length are hidden altogether.
const SHORT: usize = 4;

impl NumberForm {
    /// The number as it may be shown.
    pub(super) fn of(self, number: &str) -> String {
        if self == NumberForm::Plain {
            return number.to_owned();
        }
        let length = number.chars().count();
        let hidden = if length <= SHORT { length } else { length - SHOWN };
        number.chars().enumerate().map(|(at, c)| if at < hidden { '*' } else { c }).collect()
    }

    /// A text in which the numbers are written as they may be shown.
    pub(super) fn within(self, text: &str, numbers: [&str; 2]) -> String {
        let mut text = text.to_owned();
        // The longer one first: the other may be a part of it.
        let [one, other] = numbers;
        let numbers = if one.len() >= other.len() { [one, other] } else { [other, one] };
        for number in numbers {
            if self != NumberForm::Plain && !number.is_empty() {
                text = text.replace(number, &self.of(number));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_leaves_the_end_of_what_is_long_enough() {
        assert_eq!(NumberForm::Masked.of("+12065550100"), "**********00");
        assert_eq!(NumberForm::Masked.of("12345"), "***45");
        assert_eq!(NumberForm::Masked.of("1234"), "****");
        assert_eq!(NumberForm::Masked.of("Zoë東"), "****");
        assert_eq!(NumberForm::Masked.of(""), "");
        assert_eq!(NumberForm::Plain.of("+12065550100"), "+12065550100");
    }

    #[test]
    fn sentences_do_not_tell_what_attributes_hide() {
        let text = "404: it does not know +12065550100 (12065550100)";
        let shown = NumberForm::Masked.within(text, ["12065550100", "+12065550100"]);
        assert_eq!(shown, "404: it does not know **********00 (*********00)");
        assert_eq!(NumberForm::Plain.within(text, ["1", "2"]), text);
    }
}
