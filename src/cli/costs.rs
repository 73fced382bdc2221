//! What a workflow used and cost, model by model, as a table.

use units::{Nanodollars, TokenCount};

use crate::http::views::ModelTotals;

const COLUMNS: usize = 5;
const HEAD: [&str; COLUMNS] = ["model", "calls", "tokens in", "tokens out", "cost"];
const NOT_PRICED: &str = "not priced";

/// The table's lines; none when no model was called.
pub(crate) fn table(totals: &[ModelTotals]) -> Vec<String> {
    if totals.is_empty() {
        return Vec::new();
    }
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(totals.iter().map(row));
    if totals.len() > 1 {
        rows.push(sum(totals));
    }
    let mut widths = [0; COLUMNS];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    rows.iter().map(|row| line(row, widths)).collect()
}

fn row(totals: &ModelTotals) -> [String; COLUMNS] {
    [
        totals.deployment.to_string(),
        totals.calls.to_string(),
        grouped(input(totals)),
        grouped(totals.output),
        cost(totals.cost_nanodollars, totals.calls, totals.unpriced_calls),
    ]
}

fn sum(totals: &[ModelTotals]) -> [String; COLUMNS] {
    let calls: u64 = totals.iter().map(|totals| totals.calls).sum();
    let unpriced: u64 = totals.iter().map(|totals| totals.unpriced_calls).sum();
    [
        "all".to_owned(),
        calls.to_string(),
        grouped(totals.iter().map(input).sum()),
        grouped(totals.iter().map(|totals| totals.output).sum()),
        cost(totals.iter().map(|totals| totals.cost_nanodollars).sum(), calls, unpriced),
    ]
}

fn input(totals: &ModelTotals) -> TokenCount {
    totals.input.saturating_add(totals.cached_input).saturating_add(totals.cache_written)
}

/// A price that is not known is never shown as nothing.
fn cost(cost: Nanodollars, calls: u64, unpriced: u64) -> String {
    match unpriced {
        0 => cost.to_string(),
        some if some == calls => NOT_PRICED.to_owned(),
        some => format!("{cost} and {some} calls {NOT_PRICED}"),
    }
}

fn line(row: &[String; COLUMNS], widths: [usize; COLUMNS]) -> String {
    let [model, calls, input, output, cost] = row;
    let [w0, w1, w2, w3, w4] = widths;
    format!("{model:<w0$}  {calls:>w1$}  {input:>w2$}  {output:>w3$}  {cost:>w4$}")
}

/// `12,345`
fn grouped(TokenCount(count): TokenCount) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(deployment: &str, calls: u64, unpriced_calls: u64) -> ModelTotals {
        ModelTotals {
            deployment: deployment.parse().unwrap(),
            calls,
            input: TokenCount(1_000),
            cached_input: TokenCount(234),
            cache_written: TokenCount(0),
            output: TokenCount(56),
            cost_nanodollars: Nanodollars(1_500_000),
            unpriced_calls,
        }
    }

    #[test]
    fn adds_up_and_stands_in_columns() {
        assert_eq!(
            table(&[totals("demo/large", 3, 0), totals("demo/small", 12, 0)]),
            [
                "model       calls  tokens in  tokens out       cost",
                "demo/large      3      1,234          56  $0.001500",
                "demo/small     12      1,234          56  $0.001500",
                "all            15      2,468         112  $0.003000",
            ]
        );
    }

    #[test]
    fn says_what_has_no_price() {
        assert!(table(&[totals("a/b", 2, 2)])[1].ends_with(NOT_PRICED));
        assert!(table(&[totals("a/b", 3, 2)])[1].ends_with("$0.001500 and 2 calls not priced"));
        assert!(table(&[]).is_empty());
    }

    #[test]
    fn thousands_are_kept_apart() {
        for (count, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(TokenCount(count)), text);
        }
    }
}
