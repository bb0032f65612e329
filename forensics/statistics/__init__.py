"""Evidence statistics on numpy and scipy alone: ranks among controls, exact intervals, multiplicity."""
