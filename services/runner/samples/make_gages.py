#!/usr/bin/env python3
"""Makes gages.csv: calibrations of gages as a plant's spreadsheet would have them. Usage: python3 make_gages.py > gages.csv

The same at each run: all chance comes from one seed. Nothing in it is of a real plant. At the end the faults that such
tables have are put in by hand, each with its reason; README.md lists them.
"""

import csv
import datetime
import random
import sys

SEED = 20260131
LAST_DAY = datetime.date(2026, 11, 20)
COLUMNS = "gage_id,description,type,location,unit,measured_at,nominal,reading,tolerance,interval_days".split(",")

# Type, prefix, descriptions, unit, nominals, tolerance (either way), intervals in days, noise of a reading as a part of
# the tolerance.
TYPES = [
    ("Caliper", "CAL", ["Digital caliper 0-150", "Vernier caliper 0-300"], "mm", [50.0, 100.0], 0.03, [180, 365], 0.10),
    ("Micrometer", "MIC", ["Outside micrometer 0-25", "Micrometer, 25-50 \"Quantum\""], "mm", [12.5, 25.0], 0.004, [180], 0.12),
    ("Plug gage", "PLG", ["Plug gage Ø10 H7, go", "Plug gage Ø16 H7, go"], "mm", [10.0, 16.0], 0.006, [365], 0.06),
    ("Dial indicator", "DIA", ["Dial indicator 10 mm"], "mm", [5.0], 0.012, [180], 0.15),
    ("Height gage", "HGT", ["Height gage 0-600"], "mm", [300.0], 0.04, [365], 0.08),
    ("Torque wrench", "TRQ", ["Torque wrench 20-100"], "N·m", [60.0], 2.4, [90], 0.12),
    ("Pressure gauge", "PRS", ["Pressure gauge 0-10"], "bar", [6.0], 0.1, [90, 180], 0.10),
]
LOCATIONS = ["Line 1", "Line 2", "Line 3", "Line 4", "Tool room", "Incoming inspection"]


def gages(chance):
    """Yields each gage with its history, oldest first."""
    for kind, prefix, descriptions, unit, nominals, tolerance, intervals, noise in TYPES:
        for number in range(1, 8):
            which = chance.randrange(len(descriptions))
            nominal = nominals[which % len(nominals)]
            interval = chance.choice(intervals)
            # Most hardly drift; some wear by up to half of their tolerance a year.
            drift = chance.gauss(0, 0.06) if chance.random() < 0.75 else chance.choice([-1, 1]) * chance.uniform(0.25, 0.5)
            offset = chance.uniform(-0.2, 0.2)
            # Some were forgotten: their last calibration is too long ago.
            forgotten = interval + chance.randrange(5, 120) if chance.random() < 0.18 else chance.randrange(0, interval)
            day = LAST_DAY - datetime.timedelta(days=forgotten)
            days = []
            for _ in range(chance.randrange(7, 12) if interval < 365 else chance.randrange(4, 6)):
                days.append(day)
                day -= datetime.timedelta(days=interval + chance.randrange(-12, 13))
            days.reverse()
            gage = [f"{prefix}-{number:03}", descriptions[which], kind, chance.choice(LOCATIONS), unit]
            for day in days:
                years = (day - days[0]).days / 365.25
                error = tolerance * (offset + drift * years + chance.gauss(0, noise))
                digits = 4 if tolerance < 0.01 else 3 if tolerance < 1 else 1
                yield gage + [day.isoformat(), f"{nominal:g}", f"{nominal + error:.{digits}f}", f"{tolerance:g}", str(interval)]


def faults(rows):
    """Puts in what goes wrong in such tables."""
    at = {name: index for index, name in enumerate(COLUMNS)}

    def of(gage):
        return [row for row in rows if row[0] == gage]

    of("CAL-002")[2][at["reading"]] = ""  # Not written down.
    of("MIC-004")[1][at["reading"]] = "O.K."  # A judgement in place of a reading.
    of("DIA-003")[0][at["measured_at"]] = "03/04/2022"  # March or April?
    of("TRQ-005")[4][at["reading"]] = "6.01"  # A digit slipped: 60.1 was meant.
    for row in of("HGT-002"):
        row[at["interval_days"]] = ""  # Never was agreed upon.
    of("PRS-006")[2][at["tolerance"]] = ""
    of("PLG-001")[0][at["gage_id"]] = ""  # Whose was it?
    # Exported twice.
    rows.insert(rows.index(of("CAL-005")[3]) + 1, list(of("CAL-005")[3]))
    # The same day twice with two readings: one is wrong.
    again = list(of("MIC-002")[-1])
    again[at["reading"]] = f"{float(again[at['reading']]) + 0.0011:.4f}"
    rows.append(again)
    # Handed in late.
    late = of("TRQ-001")[3]
    rows.remove(late)
    rows.append(late)
    # The year of next week.
    of("PRS-001")[-1][at["measured_at"]] = "2029-10-02"


def main():
    rows = list(gages(random.Random(SEED)))
    faults(rows)
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(COLUMNS)
    out.writerows(rows)


if __name__ == "__main__":
    main()
