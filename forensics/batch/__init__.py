"""Many examinations in one go: what is shared by them is opened once, and one table says what came of each."""
