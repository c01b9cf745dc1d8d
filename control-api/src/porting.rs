//! Porting orders: numbers that another carrier has come over, step by step.
//!
//! AWS's API shows such orders and has no request that makes or moves one: the operator does, by what
//! the other carrier says.

use crate::error::{ApiError, ErrorKind};
use crate::reads::pool_of;
use crate::state::{
    Draft, Number, Order, OrderStatus, OrderType, OrderedNumber, OrderedStatus, Stored,
};
use crate::writes::{bad_request, conflict, not_found};
use directory::{Snapshot, is_toll_free, parse_e164};
use std::collections::HashSet;

/// A porting order that somebody wants.
pub(crate) struct Asked<'a> {
    /// A new UUID.
    pub(crate) id: &'a str,
    /// What the numbers are for.
    pub(crate) product_type: &'a str,
    /// With `+`.
    pub(crate) numbers: &'a [String],
    /// What the operator says of it.
    pub(crate) reason: Option<&'a str>,
}

/// What becomes of one.
pub(crate) struct Step<'a> {
    /// Its next status.
    pub(crate) to: OrderStatus,
    /// `YYYY-MM-DD`; belongs to [`OrderStatus::Foc`].
    pub(crate) foc_date: Option<&'a str>,
    /// What the operator says of it.
    pub(crate) reason: Option<&'a str>,
}

/// Opens a porting order; `directory` is what calls are routed by.
///
/// # Errors
/// Which number cannot be ported.
pub(crate) fn open(
    draft: &mut Draft<'_>,
    directory: &Snapshot,
    asked: &Asked<'_>,
) -> Result<(), ApiError> {
    let Asked { id, product_type, numbers, reason } = asked;
    let distinct: HashSet<_> = numbers.iter().collect();
    if distinct.len() < numbers.len() {
        return Err(bad_request("E164PhoneNumbers: a number is given twice"));
    }
    for number in *numbers {
        if parse_e164(number).is_none() {
            return Err(bad_request(format!(
                "E164PhoneNumbers: {number:?} is no E.164 number; write \"+\" and 7 to 15 digits"
            )));
        }
        check_free(draft, directory, number)?;
        if pool_of(directory, draft.state(), draft.now(), number).is_some() {
            return Err(conflict(format!(
                "{number} is in a [[phone_number_pool]] of the configuration file: order it, \
                 nothing is to be ported"
            )));
        }
        let is_coming = |order: &Order| {
            !order.status.porting_next().is_empty()
                && order.numbers.iter().any(|each| each.e164 == **number)
        };
        let mut orders = draft.all::<Order>().iter();
        if let Some((other, _)) = orders.find(|(_, stored)| is_coming(&stored.value)) {
            return Err(conflict(format!("{number} is in porting order {other} already")));
        }
    }
    let ordered =
        |number: &String| OrderedNumber { e164: number.clone(), status: OrderedStatus::Processing };
    let mut order = Order {
        product_type: (*product_type).to_owned(),
        order_type: OrderType::Porting,
        status: OrderStatus::Submitted,
        numbers: numbers.iter().map(ordered).collect(),
        foc_date: None,
        history: Vec::new(),
    };
    order.step(OrderStatus::Submitted, draft.now(), *reason);
    draft.put(id, order);
    Ok(())
}

/// A number comes from elsewhere: nobody here has it.
fn check_free(draft: &Draft<'_>, directory: &Snapshot, number: &str) -> Result<(), ApiError> {
    let known = draft.get::<Number>(number);
    match known.is_some_and(|known| !known.value.is_gone(draft.now())) {
        true => Err(conflict(format!("{number} is in the inventory already"))),
        false if directory.declares_number(number) => {
            Err(conflict(format!("{number} is in the configuration file already")))
        }
        false => Ok(()),
    }
}

/// Moves a porting order on. Completion puts the numbers into the inventory.
///
/// # Errors
/// Why it cannot be so, and what can.
pub(crate) fn advance(
    draft: &mut Draft<'_>,
    directory: &Snapshot,
    id: &str,
    step: &Step<'_>,
) -> Result<(), ApiError> {
    let stored = draft.get::<Order>(id).filter(|s| s.value.order_type == OrderType::Porting);
    let stored = stored.ok_or_else(|| not_found(format!("there is no porting order {id:?}")))?;
    let mut order = stored.value.clone();
    check_move(stored, id, step.to)?;
    if let Some(date) = foc_date(&order, step)? {
        order.foc_date = Some(date);
    }
    if step.to == OrderStatus::Successful {
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
            // Whoever had it before has left no name and no tags.
            draft.remove::<Number>(&each.e164);
            draft.remove::<crate::state::Tags>(&crate::api::tag_key("phone-number", &each.e164));
            draft.put(&each.e164, number);
        }
    }
    if step.to == OrderStatus::Cancelled {
        order.numbers.iter_mut().for_each(|each| each.status = OrderedStatus::Failed);
    }
    order.step(step.to, draft.now(), step.reason);
    draft.put(id, order);
    Ok(())
}

/// Whether the order may be moved there; the refusal says where it may.
fn check_move(stored: &Stored<Order>, id: &str, to: OrderStatus) -> Result<(), ApiError> {
    let name = |status: OrderStatus| status.porting_name().unwrap_or_default();
    let from = stored.value.status;
    let next = from.porting_next();
    if next.contains(&to) {
        return Ok(());
    }
    let next: Vec<_> = next.iter().map(|status| name(*status)).collect();
    let what = match next.is_empty() {
        true => "it is finished, and nothing follows".to_owned(),
        false => format!("it may become {}", next.join(", ")),
    };
    let (from, to) = (name(from), name(to));
    Err(ApiError::new(
        ErrorKind::Conflict,
        format!("porting order {id} is {from} and cannot become {to}: {what}"),
    ))
}

/// The day that a step names; the one that was named before a change or a cancellation stays.
fn foc_date(order: &Order, step: &Step<'_>) -> Result<Option<String>, ApiError> {
    let is_foc = step.to == OrderStatus::Foc;
    match step.foc_date {
        Some(date) if is_foc && crate::calendar::is_date(date) => Ok(Some(date.to_owned())),
        Some(date) if is_foc => {
            Err(bad_request(format!("FocDate: {date:?} is no day; write it as 2026-03-31")))
        }
        Some(_) => Err(bad_request("FocDate: a day goes with the status FOC alone")),
        None if is_foc && order.foc_date.is_none() => {
            Err(bad_request("FocDate: FOC needs the day on which the numbers come"))
        }
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::State;
    use directory::{NumberPool, NumberRange, Resources};
    use model::UnixTime;

    const NOW: UnixTime = UnixTime::from_millis(1_767_323_045_000);
    const ID: &str = "00000000-0000-4000-8000-000000000001";
    const OTHER: &str = "00000000-0000-4000-8000-000000000002";
    const NUMBERS: [&str; 2] = ["+12065550100", "+18005550100"];

    fn directory() -> Snapshot {
        let number_pools = vec![NumberPool {
            is_toll_free: false,
            ranges: vec![NumberRange::parse("+12065550900-+12065550909").unwrap()],
            country: "US".into(),
            city: None,
            state: None,
        }];
        let domain = "tandem.test".to_owned();
        Snapshot::build(Resources { domain, number_pools, ..Resources::default() }).unwrap()
    }

    /// Opens an order; how many changes that makes.
    fn open_in(state: &mut State, id: &str, numbers: &[&str]) -> Result<usize, String> {
        let numbers: Vec<String> = numbers.iter().map(|each| (*each).to_owned()).collect();
        let mut draft = Draft::new(state, NOW);
        let asked =
            Asked { id, product_type: "VoiceConnector", numbers: &numbers, reason: Some("new") };
        open(&mut draft, &directory(), &asked).map_err(|error| error.message)?;
        let count = draft.changes().len();
        draft.keep();
        Ok(count)
    }

    fn opened() -> State {
        let mut state = State::default();
        assert_eq!(open_in(&mut state, ID, &NUMBERS), Ok(1));
        state
    }

    fn advance(state: &mut State, to: OrderStatus, date: Option<&str>) -> Result<usize, String> {
        let mut draft = Draft::new(state, NOW);
        let step = Step { to, foc_date: date, reason: None };
        super::advance(&mut draft, &directory(), ID, &step).map_err(|error| error.message)?;
        let count = draft.changes().len();
        draft.keep();
        Ok(count)
    }

    fn status(state: &State) -> OrderStatus {
        state.get::<Order>(ID).unwrap().value.status
    }

    #[test]
    fn completion_puts_the_numbers_into_the_inventory() {
        use OrderStatus::{Foc, PendingDocuments, Submitted, Successful};
        let mut state = opened();
        advance(&mut state, PendingDocuments, None).unwrap();
        advance(&mut state, Submitted, None).unwrap();
        advance(&mut state, Foc, Some("2026-03-31")).unwrap();
        assert!(state.all::<Number>().is_empty());
        assert_eq!(advance(&mut state, Successful, None), Ok(3));
        let order = &state.get::<Order>(ID).unwrap().value;
        assert_eq!(order.foc_date.as_deref(), Some("2026-03-31"));
        let steps: Vec<_> = order.history.iter().map(|step| step.status).collect();
        assert_eq!(steps, [Submitted, PendingDocuments, Submitted, Foc, Successful]);
        assert_eq!(order.history[0].reason.as_deref(), Some("new"));
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
        let refused = advance(&mut state, Successful, None).unwrap_err();
        assert!(
            refused.ends_with(
                "is SUBMITTED and cannot become COMPLETED: it may become PENDING_DOCUMENTS, FOC, \
                 CHANGE_REQUESTED, CANCEL_REQUESTED, EXCEPTION"
            ),
            "{refused}"
        );
        assert!(advance(&mut state, Exception, Some("2026-03-31")).is_err());
        advance(&mut state, Exception, None).unwrap();
        advance(&mut state, Submitted, None).unwrap();
        advance(&mut state, CancelRequested, None).unwrap();
        assert!(advance(&mut state, Foc, None).is_err(), "no day was ever named");
        advance(&mut state, Cancelled, None).unwrap();
        let order = &state.get::<Order>(ID).unwrap().value;
        assert!(order.numbers.iter().all(|each| each.status == OrderedStatus::Failed));
        // They may be asked for again.
        open_in(&mut state, OTHER, &NUMBERS).unwrap();
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
            (&["+12065550905"], "order it"),
        ] {
            let refused = open_in(&mut state, OTHER, numbers).unwrap_err();
            assert!(refused.contains(word), "{refused}");
        }
        let mut draft = Draft::new(&mut state, NOW);
        draft.put("+12065550155", Number::default());
        draft.keep();
        assert!(open_in(&mut state, OTHER, &["+12065550155"]).is_err());
        assert!(state.get::<Order>(OTHER).is_none());
    }

    #[test]
    fn the_history_of_an_order_is_bounded() {
        let mut state = opened();
        for _ in 0..100 {
            advance(&mut state, OrderStatus::Exception, None).unwrap();
            advance(&mut state, OrderStatus::Submitted, None).unwrap();
        }
        let order = &state.get::<Order>(ID).unwrap().value;
        assert_eq!(order.history.len(), 100);
        assert_eq!(order.history[0].reason.as_deref(), Some("new"));
        assert_eq!(order.history[99].status, OrderStatus::Submitted);
    }
}
