"""What there is to count: the events that the sources show at the anchor."""

from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import numpy as np

from demo_bank.accounts import CURRENCIES
from demo_bank.clock import Flags, Ints, Moments
from demo_bank.incidents import Incidents, quoted, replicated_until
from demo_bank.ledger import Transfers
from demo_bank.payment_tables import Log
from demo_bank.rates import QUOTES
from demo_bank.simulation import Bank, Business
from demo_bank.truth.calendar import DAY, closes


@dataclass(frozen=True)
class Evidence:
    """A bank under some incidents, seen at its anchor; only what is committed by then counts."""

    bank: Bank
    incidents: Incidents
    _rates: dict[np.datetime64, dict[str, Fraction]] = field(default_factory=dict)

    @property
    def now(self) -> np.datetime64:
        return self.bank.anchor

    @cached_property
    def business(self) -> Business:
        return self.bank.business(self.incidents)

    @cached_property
    def payment_log(self) -> Log:
        return self.business.log.visible(self.now, self.incidents)

    @property
    def made(self) -> Flags:
        """The payments that have been created."""
        payments = self.business.payments
        return payments.made & (payments.created < self.now)

    @cached_property
    def steps(self) -> tuple[Ints, Ints, Moments]:
        """The state log of the profiles: client, state, moment, in the order of time."""
        steps = self.bank.clients.steps
        seen = self.bank.profiles.logged(self.now, self.incidents)
        return steps.client[seen], steps.state[seen], steps.moment[seen]

    @cached_property
    def posted(self) -> Transfers:
        """The transfers whose entries are posted now: neither to come nor reversed."""
        transfers = self.business.transfers
        is_reversed = transfers.reversed_at < self.now
        return transfers.where((transfers.moment < self.now) & ~is_reversed)

    def first(self, state: int) -> Moments:
        """Per payment the moment of that state; NaT where it has not come."""
        log = self.payment_log
        chosen = log.state == state
        moments = np.full(self.business.payments.created.size, np.datetime64("NaT", "ms"))
        moments[log.payment[chosen]] = log.moment[chosen]
        return moments

    def reached(self, state: int) -> Moments:
        """Per client the moment of that state; NaT where it has not come."""
        client, states, moment = self.steps
        chosen = states == state
        moments = np.full(self.bank.clients.created.size, np.datetime64("NaT", "ms"))
        moments[client[chosen]] = moment[chosen]
        return moments

    def rates_at(self, moment: np.datetime64) -> dict[str, Fraction]:
        """Units of each currency for one euro, by the last quote before that moment."""
        if moment not in self._rates:
            rates = self.bank.rates
            heard = quoted(rates.moment, self.incidents)
            found = {CURRENCIES[0]: Fraction(1)}
            for pair, currency in enumerate(QUOTES):
                known = heard & (rates.moment < moment) & (rates.written[:, pair] < self.now)
                last = rates.rate[np.flatnonzero(known)[-1], pair]
                found[currency] = Fraction(f"{last:.8f}")
            self._rates[moment] = found
        return self._rates[moment]

    def closing_rates(self, day: np.datetime64) -> dict[str, Fraction]:
        """The last rates of a day; of today, the last there are."""
        return self.rates_at(min(closes(day), self.now))

    @property
    def cards_until(self) -> np.datetime64:
        return replicated_until(self.now, self.incidents)


def during(moments: Moments, until: np.datetime64, days: int) -> Flags:
    """Which moments lie in the days before `until`."""
    return (moments >= until - days * DAY) & (moments < until)
