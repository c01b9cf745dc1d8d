//! Porting orders: numbers that another carrier has come over, step by step.
//!
//! AWS's API shows such orders and has no request that makes or moves one: the operator does, by what
//! the other carrier says.

use crate::state::{
    Change, Draft, FOR_VOICE_CONNECTORS, Number, Order, OrderStatus, OrderType, OrderedNumber,
    OrderedStatus, State,
};
use directory::{Snapshot, is_toll_free, parse_e164};
use model::UnixTime;
use std::collections::HashSet;

/// Most numbers of one order, as of new numbers.
const ORDER_MAX: usize = 50;

impl State {
    /// Opens a porting order; what is to be written down. `id` is a new UUID, `directory` what calls
    /// are routed by.
    ///
    /// # Errors
    /// Which number cannot be ported, in words; then nothing has changed.
    pub fn open_porting(
        &mut self,
        now: UnixTime,
        directory: &Snapshot,
        id: &str,
        numbers: &[&str],
    ) -> Result<Vec<Change>, String> {
        let mut draft = Draft::new(self, now);
        open(&mut draft, directory, id, numbers)?;
        Ok(kept(draft))
    }

    /// Moves a porting order on; what is to be written down. `foc_date` is `YYYY-MM-DD` and belongs to
    /// [`OrderStatus::Foc`]. Completion puts the numbers into the inventory.
    ///
    /// # Errors
    /// Why it cannot be so, in words; then nothing has changed.
    pub fn advance_porting(
        &mut self,
        now: UnixTime,
        directory: &Snapshot,
        id: &str,
        to: OrderStatus,
        foc_date: Option<&str>,
    ) -> Result<Vec<Change>, String> {
        let mut draft = Draft::new(self, now);
        advance(&mut draft, directory, id, to, foc_date)?;
        Ok(kept(draft))
    }
}

fn kept(draft: Draft<'_>) -> Vec<Change> {
    let changes = draft.changes().to_vec();
    draft.keep();
    changes
}

fn open(
    draft: &mut Draft<'_>,
    directory: &Snapshot,
    id: &str,
    numbers: &[&str],
) -> Result<(), String> {
    if numbers.is_empty() || numbers.len() > ORDER_MAX {
        return Err(format!("an order is of 1 to {ORDER_MAX} numbers, not of {}", numbers.len()));
    }
    let distinct: HashSet<_> = numbers.iter().collect();
    if distinct.len() < numbers.len() {
        return Err("a number is given twice".to_owned());
    }
    for number in numbers {
        if parse_e164(number).is_none() {
            return Err(format!("{number:?} is no E.164 number; write \"+\" and 7 to 15 digits"));
        }
        check_free(draft, directory, number)?;
        let is_coming = |order: &Order| {
            !order.status.porting_next().is_empty()
                && order.numbers.iter().any(|each| each.e164 == **number)
        };
        let mut orders = draft.all::<Order>().iter();
        if let Some((other, _)) = orders.find(|(_, stored)| is_coming(&stored.value)) {
            return Err(format!("{number} is in porting order {other} already"));
        }
    }
    let ordered = |number: &&str| OrderedNumber {
        e164: (*number).to_owned(),
        status: OrderedStatus::Processing,
    };
    draft.put(
        id,
        Order {
            product_type: FOR_VOICE_CONNECTORS.to_owned(),
            order_type: OrderType::Porting,
            status: OrderStatus::Submitted,
            numbers: numbers.iter().map(ordered).collect(),
            foc_date: None,
        },
    );
    Ok(())
}

/// A number comes from elsewhere: nobody here has it.
fn check_free(draft: &Draft<'_>, directory: &Snapshot, number: &str) -> Result<(), String> {
    let known = draft.get::<Number>(number);
    match known.is_some_and(|known| !known.value.is_gone(draft.now())) {
        true => Err(format!("{number} is in the inventory already")),
        false if directory.declares_number(number) => {
            Err(format!("{number} is in the configuration file already"))
        }
        false => Ok(()),
    }
}

fn advance(
    draft: &mut Draft<'_>,
    directory: &Snapshot,
    id: &str,
    to: OrderStatus,
    foc_date: Option<&str>,
) -> Result<(), String> {
    let stored = draft.get::<Order>(id).filter(|s| s.value.order_type == OrderType::Porting);
    let Some(stored) = stored else { return Err(format!("there is no porting order {id}")) };
    let mut order = stored.value.clone();
    let name = |status: OrderStatus| status.porting_name().unwrap_or_default();
    let next = order.status.porting_next();
    if !next.contains(&to) {
        let next: Vec<_> = next.iter().map(|status| name(*status)).collect();
        let next = match next.is_empty() {
            true => "nothing".to_owned(),
            false => next.join(", "),
        };
        return Err(format!("after {} comes {next}", name(order.status)));
    }
    match (to, foc_date) {
        (OrderStatus::Foc, Some(date)) if crate::calendar::is_date(date) => {
            order.foc_date = Some(date.to_owned());
        }
        (_, Some(date)) if to == OrderStatus::Foc => {
            return Err(format!("{date:?} is no day; write it as 2026-03-31"));
        }
        // The day that was named before a change or a cancellation stays.
        (OrderStatus::Foc, None) if order.foc_date.is_none() => {
            return Err("FOC needs the day on which the numbers come".to_owned());
        }
        (_, Some(_)) => return Err("a day goes with FOC alone".to_owned()),
        (_, None) => {}
    }
    if to == OrderStatus::Successful {
        for each in &order.numbers {
            check_free(draft, directory, &each.e164)?;
        }
        for each in &mut order.numbers {
            each.status = OrderedStatus::Acquired;
            let number = Number {
                product_type: order.product_type.clone(),
                order_id: Some(id.to_owned()),
                toll_free: is_toll_free(&each.e164),
                ..Number::default()
            };
            draft.remove::<Number>(&each.e164);
            draft.put(&each.e164, number);
        }
    }
    if to == OrderStatus::Cancelled {
        order.numbers.iter_mut().for_each(|each| each.status = OrderedStatus::Failed);
    }
    order.status = to;
    draft.put(id, order);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use directory::Resources;

    const NOW: UnixTime = UnixTime::from_millis(1_767_323_045_000);
    const ID: &str = "00000000-0000-4000-8000-000000000001";
    const OTHER: &str = "00000000-0000-4000-8000-000000000002";
    const NUMBERS: [&str; 2] = ["+12065550100", "+18005550100"];

    fn directory() -> Snapshot {
        let domain = "tandem.test".to_owned();
        Snapshot::build(Resources { domain, ..Resources::default() }).unwrap()
    }

    fn opened() -> State {
        let mut state = State::default();
        assert_eq!(state.open_porting(NOW, &directory(), ID, &NUMBERS).unwrap().len(), 1);
        state
    }

    fn advance(state: &mut State, to: OrderStatus, date: Option<&str>) -> Result<usize, String> {
        let done = state.advance_porting(NOW, &directory(), ID, to, date);
        done.map(|changes| changes.len())
    }

    fn status(state: &State) -> OrderStatus {
        state.get::<Order>(ID).unwrap().value.status
    }

    #[test]
    fn completion_puts_the_numbers_into_the_inventory() {
        let mut state = opened();
        advance(&mut state, OrderStatus::PendingDocuments, None).unwrap();
        advance(&mut state, OrderStatus::Submitted, None).unwrap();
        advance(&mut state, OrderStatus::Foc, Some("2026-03-31")).unwrap();
        assert!(state.all::<Number>().is_empty());
        assert_eq!(advance(&mut state, OrderStatus::Successful, None), Ok(3));
        let order = &state.get::<Order>(ID).unwrap().value;
        assert_eq!(order.foc_date.as_deref(), Some("2026-03-31"));
        assert!(order.numbers.iter().all(|each| each.status == OrderedStatus::Acquired));
        let number = |e164| &state.get::<Number>(e164).unwrap().value;
        assert_eq!(number(NUMBERS[0]).status(), "Unassigned");
        assert_eq!(number(NUMBERS[0]).order_id.as_deref(), Some(ID));
        assert!(number(NUMBERS[1]).toll_free && !number(NUMBERS[0]).toll_free);
    }

    #[test]
    fn an_order_is_moved_only_where_the_table_says() {
        use OrderStatus::{CancelRequested, Cancelled, Exception, Foc, Submitted, Successful};
        for from in OrderStatus::PORTING {
            for to in OrderStatus::PORTING {
                let mut state = opened();
                let mut draft = Draft::new(&mut state, NOW);
                let mut order = draft.get::<Order>(ID).unwrap().value.clone();
                order.status = from;
                draft.put(ID, order);
                draft.keep();
                let date = (to == Foc).then_some("2026-03-31");
                let moved = advance(&mut state, to, date);
                assert_eq!(moved.is_ok(), from.porting_next().contains(&to), "{from:?} {to:?}");
                assert_eq!(status(&state), if moved.is_ok() { to } else { from });
            }
            // Every order can come to an end.
            let mut reached = vec![from];
            let mut at = 0;
            while let Some(status) = reached.get(at).copied() {
                let next = status.porting_next().iter();
                let new: Vec<_> = next.filter(|each| !reached.contains(each)).copied().collect();
                reached.extend(new);
                at += 1;
            }
            let ends = [Cancelled, Successful];
            assert!(reached.iter().any(|each| ends.contains(each)), "{from:?}");
            let is_end = from.porting_next().is_empty();
            assert_eq!(is_end, ends.contains(&from), "{from:?}");
        }
        let mut state = opened();
        assert!(advance(&mut state, Successful, None).unwrap_err().contains("PENDING_DOCUMENTS"));
        assert!(advance(&mut state, Exception, Some("2026-03-31")).is_err());
        advance(&mut state, Exception, None).unwrap();
        advance(&mut state, Submitted, None).unwrap();
        advance(&mut state, CancelRequested, None).unwrap();
        assert!(advance(&mut state, Foc, None).is_err(), "no day was ever named");
        advance(&mut state, Cancelled, None).unwrap();
        let order = &state.get::<Order>(ID).unwrap().value;
        assert!(order.numbers.iter().all(|each| each.status == OrderedStatus::Failed));
        // They may be asked for again.
        state.open_porting(NOW, &directory(), OTHER, &NUMBERS).unwrap();
    }

    #[test]
    fn days_are_days() {
        for (date, is_day) in [
            ("2026-03-31", true),
            ("2028-02-29", true),
            ("2026-02-29", false),
            ("2026-13-01", false),
            ("2026-3-31", false),
            ("31.03.2026", false),
            ("", false),
            ("2026-03-3é", false),
        ] {
            let mut state = opened();
            assert_eq!(advance(&mut state, OrderStatus::Foc, Some(date)).is_ok(), is_day, "{date}");
        }
    }

    #[test]
    fn numbers_that_somebody_has_are_refused() {
        let mut state = opened();
        for (numbers, word) in [
            (&NUMBERS[..1], "already"),
            (&["12065550101"], "E.164"),
            (&["+12065550101", "+12065550101"], "twice"),
            (&[], "1 to 50"),
        ] {
            let refused = state.open_porting(NOW, &directory(), OTHER, numbers).unwrap_err();
            assert!(refused.contains(word), "{refused}");
        }
        let mut draft = Draft::new(&mut state, NOW);
        draft.put("+12065550155", Number::default());
        draft.keep();
        assert!(state.open_porting(NOW, &directory(), OTHER, &["+12065550155"]).is_err());
        assert!(state.get::<Order>(OTHER).is_none());
    }
}
