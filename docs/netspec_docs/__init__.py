"""What the site says by the code itself: kinds, sections, commands and codes as Markdown, formulas as MathML."""
