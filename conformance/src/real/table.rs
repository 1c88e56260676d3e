//! The tables `kubectl` prints, read back.

use anyhow::{Context, Result, ensure};

/// A table with a header and cells without blanks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Reads what `kubectl` printed. A row that has fewer cells than the header lacks the first ones, as the row of
    /// sums does.
    ///
    /// # Errors
    /// When there is no header, or a row has more cells than it.
    pub fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines().map(|line| {
            let words = line.split_whitespace().map(str::to_owned);
            words.collect::<Vec<_>>()
        });
        let header = lines.next().context("kubectl printed nothing")?;
        let rows: Vec<Vec<String>> = lines
            .filter(|row| {
                row.iter()
                    .any(|word| word.chars().any(char::is_alphanumeric))
            })
            .collect();
        for row in &rows {
            ensure!(row.len() <= header.len(), "unexpected cells:\n{text}");
        }
        Ok(Self { header, rows })
    }

    /// The names of the columns.
    #[must_use]
    pub fn header(&self) -> Vec<&str> {
        self.header.iter().map(String::as_str).collect()
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All cells of a column, from top to bottom.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn column(&self, name: &str) -> Result<Vec<&str>> {
        let at = self.index(name)?;
        let cells = self.rows.iter().filter_map(|row| {
            let missing = self.header.len() - row.len();
            Some(row.get(at.checked_sub(missing)?)?.as_str())
        });
        Ok(cells.collect())
    }

    /// The cell in `column` of the row whose cell in `key` is `value`.
    ///
    /// # Errors
    /// When there is no such row or column.
    pub fn cell(&self, key: &str, value: &str, column: &str) -> Result<&str> {
        let at = self.column(key)?.iter().position(|cell| *cell == value);
        let at = at.with_context(|| format!("no row with {key} {value} in {:?}", self.rows))?;
        let row = &self.rows[at];
        let cell = row.get(self.index(column)?).context("a short row")?;
        Ok(cell)
    }

    fn index(&self, column: &str) -> Result<usize> {
        let at = self.header.iter().position(|name| name == column);
        at.with_context(|| format!("no column {column} in {:?}", self.header))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_cells_by_key_and_reads_short_rows_from_the_right() {
        let text = "POD   NAME   CPU(cores)   MEMORY(bytes)   \n\
                    a     main   250m         64Mi            \n\
                    b     side   1m           3Mi             \n\
                    \x20            ________     ________        \n\
                    \x20            251m         67Mi            \n";
        let table = Table::parse(text).expect("a table");
        assert_eq!(table.len(), 3);
        assert_eq!(
            table.cell("NAME", "side", "CPU(cores)").expect("a cell"),
            "1m"
        );
        let cpu = table.column("CPU(cores)").expect("a column");
        assert_eq!(cpu, ["250m", "1m", "251m"]);
        assert_eq!(table.column("POD").expect("a column"), ["a", "b"]);
        assert!(table.cell("NAME", "nobody", "POD").is_err());
    }
}
