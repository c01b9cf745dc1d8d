"""The E-model a second time, straight from the recommendations' formulae: ITU-T G.107 (06/2015)
clauses 7.2 to 7.5 and annex B, and G.107.1's scale for wideband. Nothing of Tandem's is used.

`python3 reference.py > table.tsv` writes the table that `main.rs` compares Tandem with. Every figure
in the table is computed here; the figures that ITU-T itself prints are in `PUBLISHED` and checked
by tests/interop/test_e_model.py.
"""

from dataclasses import dataclass
from math import exp, log2, log10, sqrt

# G.107 clause 7.7: the default values rate 93.2. Table B.1: scores at the borders between degrees
# of users' satisfaction.
PUBLISHED_DEFAULT_RATING = 93.2
PUBLISHED_SCORES = {90: 4.34, 80: 4.03, 70: 3.60, 60: 3.10, 50: 2.58}
# G.107.1: the rating of an undisturbed wideband connection, and the divisor to annex B's scale.
WIDEBAND_RATING, WIDEBAND_DIVISOR = 129.0, 1.29

# (band, Ie, Bpl). G.113 appendix I, table I.4: G.711 with and without concealment, G.729A with VAD, GSM
# EFR; the last is Tandem's assumption for G.722 (Ie of G.113 appendix IV).
FORMATS = [("narrow", 0.0, 25.1), ("narrow", 0.0, 4.3), ("narrow", 11.0, 19.0),
           ("narrow", 5.0, 10.0), ("wide", 13.0, 12.0)]


@dataclass
class Parameters:
    """G.107 table 3, default column, but for what is varied."""

    slr: float = 8.0
    rlr: float = 2.0
    stmr: float = 15.0
    lstr: float = 18.0
    ds: float = 3.0
    telr: float = 65.0
    wepl: float = 110.0
    qdu: float = 1.0
    nc: float = -70.0
    nfor: float = -64.0
    ps: float = 35.0
    pr: float = 35.0
    # T, Ta and half of Tr.
    delay: float = 0.0

    def olr(self):
        return self.slr + self.rlr


def noise(p):
    """No, of equations 7-3 to 7-7."""
    nos = p.ps - p.slr - p.ds - 100 + 0.004 * (p.ps - p.olr() - p.ds - 14) ** 2
    pre = p.pr + 10 * log10(1 + 10 ** ((10 - p.lstr) / 10))
    nor = p.rlr - 121 + pre + 0.008 * (pre - 35) ** 2
    nfo = p.nfor + p.rlr
    return 10 * log10(sum(10 ** (n / 10) for n in (p.nc, nos, nor, nfo)))


def signal_to_noise(p):
    """Ro."""
    return 15 - 1.5 * (p.slr + noise(p))


def sidetone(p):
    """Ist, with STMRo as the recommendation has it: of T."""
    stmro = -10 * log10(10 ** (-p.stmr / 10) + exp(-p.delay / 4) * 10 ** (-p.telr / 10))
    return (12 * (1 + ((stmro - 13) / 6) ** 8) ** (1 / 8)
            - 28 * (1 + ((stmro + 1) / 19.4) ** 35) ** (1 / 35)
            - 13 * (1 + ((stmro - 3) / 33) ** 13) ** (1 / 13) + 29)


def simultaneous(p):
    """Is."""
    xolr = p.olr() + 0.2 * (64 + noise(p) - p.rlr)
    iolr = 20 * ((1 + (xolr / 8) ** 8) ** (1 / 8) - xolr / 8)
    q = 37 - 15 * log10(p.qdu)
    g = 1.07 + 0.258 * q + 0.0602 * q ** 2
    y = (signal_to_noise(p) - 100) / 15 + 46 / 8.4 - g / 9
    z = 46 / 30 - g / 40
    iq = 15 * log10(1 + 10 ** y + 10 ** z)
    return iolr + sidetone(p) + iq


def delayed(p):
    """Id."""
    t, tr = p.delay, 2 * p.delay
    terv = p.telr - 40 * log10((1 + t / 10) / (1 + t / 150)) + 6 * exp(-0.3 * t ** 2)
    if p.stmr < 9:
        terv += sidetone(p) / 2
    re = 80 + 2.5 * (terv - 14)
    roe = -1.5 * (noise(p) - p.rlr)
    idte = ((roe - re) / 2 + sqrt((roe - re) ** 2 / 4 + 100) - 1) * (1 - exp(-t))
    if p.stmr > 20:
        idte = sqrt(idte ** 2 + sidetone(p) ** 2)
    rle = 10.5 * (p.wepl + 7) * (tr + 1) ** -0.25
    idle = (signal_to_noise(p) - rle) / 2 + sqrt((signal_to_noise(p) - rle) ** 2 / 4 + 169)
    return idte + idle + absolute(t)


def absolute(ta):
    """Idd at the default sensitivity (sT = 1, mT = 100 ms)."""
    if ta <= 100:
        return 0.0
    x = log2(ta / 100)
    return 25 * ((1 + x ** 6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2)


def equipment(ie, bpl, percent, burst_ratio):
    """Ie,eff."""
    return ie + (95 - ie) * percent / (percent / burst_ratio + bpl)


def rating(p, band, ie, bpl, percent, burst_ratio):
    """R; for wideband with G.107's delay terms as they are."""
    undisturbed = signal_to_noise(p) - simultaneous(p) if band == "narrow" else WIDEBAND_RATING
    return undisturbed - delayed(p) - equipment(ie, bpl, percent, burst_ratio)


def score(r, band="narrow"):
    """MOS of annex B."""
    r = r / WIDEBAND_DIVISOR if band == "wide" else r
    if r <= 0:
        return 1.0
    if r >= 100:
        return 4.5
    return 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6


def rows():
    """Inputs, R and MOS of every row."""
    inputs = []
    for band, ie, bpl in FORMATS:
        for delay in (0, 5, 60, 150, 250, 400, 700):
            for percent in (0, 1, 3, 10, 30):
                for burst_ratio in (1, 3) if percent else (1,):
                    inputs.append((band, ie, bpl, percent, burst_ratio, {"delay": delay}))
    for change in ({"telr": 45.0}, {"telr": 30.0, "stmr": 8.0}, {"stmr": 25.0}, {"qdu": 4.0},
                   {"nc": -55.0}, {"pr": 60.0}, {"ps": 55.0}, {"slr": 13.0}, {"rlr": 8.0},
                   {"wepl": 40.0}):
        for delay in (0, 20, 150, 400):
            inputs.append(("narrow", 0.0, 25.1, 1, 1, {"delay": delay, **change}))
    for band, ie, bpl, percent, burst_ratio, changes in inputs:
        p = Parameters(**changes)
        r = rating(p, band, ie, bpl, percent, burst_ratio)
        yield (band, ie, bpl, percent, burst_ratio, p.delay, p.slr, p.rlr, p.stmr, p.telr, p.wepl,
               p.qdu, p.nc, p.ps, p.pr, f"{r:.6f}", f"{score(r, band):.6f}")


COLUMNS = ("band", "Ie", "Bpl", "Ppl", "BurstR", "Ta", "SLR", "RLR", "STMR", "TELR", "WEPL", "qdu",
           "Nc", "Ps", "Pr", "R", "MOS")


def table():
    return "".join("\t".join(str(cell) for cell in row) + "\n" for row in [COLUMNS, *rows()])


if __name__ == "__main__":
    print(table(), end="")
