"""Account, settings and listen keys of the Binance dialect."""

from __future__ import annotations

from typing import Any

from tests.exchange_server import binance_views as views
from tests.exchange_server.binance_call import SUCCESS, Call, Routes
from tests.exchange_server.errors import ApiError
from tests.exchange_server.state import ZERO
from tests.exchange_server.world import World


class AccountCalls:
    """Answers what concerns money, positions and modes; see ``routes``."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.routes: Routes = {
            ("POST", "/fapi/v1/listenKey"): ("key", self.create_listen_key),
            ("PUT", "/fapi/v1/listenKey"): ("key", self.keep_listen_key),
            ("DELETE", "/fapi/v1/listenKey"): ("key", self.close_listen_key),
            ("POST", "/fapi/v1/leverage"): ("signed", self.set_leverage),
            ("POST", "/fapi/v1/marginType"): ("signed", self.set_margin_type),
            ("GET", "/fapi/v1/leverageBracket"): ("signed", self.leverage_bracket),
            ("GET", "/fapi/v1/positionSide/dual"): ("signed", self.position_mode),
            ("POST", "/fapi/v1/positionSide/dual"): ("signed", self.set_position_mode),
            ("GET", "/fapi/v1/multiAssetsMargin"): ("signed", self.multi_assets),
            ("GET", "/fapi/v1/accountConfig"): ("signed", self.account_config),
            ("GET", "/fapi/v1/symbolConfig"): ("signed", self.symbol_config),
            ("GET", "/fapi/v1/commissionRate"): ("signed", self.commission_rate),
            ("GET", "/fapi/v2/account"): ("signed", lambda call: self.account(2)),
            ("GET", "/fapi/v3/account"): ("signed", lambda call: self.account(3)),
            ("GET", "/fapi/v2/balance"): ("signed", self.balance),
            ("GET", "/fapi/v3/balance"): ("signed", self.balance),
            ("GET", "/fapi/v2/positionRisk"): ("signed", lambda call: self.positions(call, 2)),
            ("GET", "/fapi/v3/positionRisk"): ("signed", lambda call: self.positions(call, 3)),
            ("GET", "/sapi/v1/account/apiRestrictions"): ("signed", self.restrictions),
        }

    def account(self, version: int) -> Any:
        return views.account_info(self.world.account, self.world.clock.now(), version=version)

    def balance(self, call: Call) -> Any:
        return views.balances(self.world.account, self.world.clock.now())

    def positions(self, call: Call, version: int) -> Any:
        account = self.world.account
        chosen = account.open_positions()
        if version == 2:
            held = {item.symbol for item in chosen}
            chosen += [account.position(s, "BOTH") for s in self.world.rules if s not in held]
        if "symbol" in call.params:
            symbol = call.symbol(self.world)
            chosen = [item for item in chosen if item.symbol == symbol]
        return [views.position_risk(item, account, version=version) for item in chosen]

    def set_leverage(self, call: Call) -> Any:
        symbol = call.symbol(self.world)
        rules, account = self.world.rules[symbol], self.world.account
        leverage = call.integer("leverage") or 0
        if not 1 <= leverage <= rules.brackets[0].leverage:
            raise ApiError(-4028, f"Leverage {leverage} is not valid")
        held = sum(
            (abs(account.notional(p)) for p in account.open_positions() if p.symbol == symbol), ZERO
        )
        if held > rules.largest_notional(leverage):
            raise ApiError(-2027)
        account.settings[symbol].leverage = leverage
        return {
            "symbol": symbol,
            "leverage": leverage,
            "maxNotionalValue": views.text(rules.largest_notional(leverage)),
        }

    def set_margin_type(self, call: Call) -> Any:
        symbol = call.symbol(self.world)
        wanted = call.required("marginType")
        settings, exchange = self.world.account.settings[symbol], self.world.exchange
        if settings.margin_type == wanted:
            raise ApiError(-4046)
        if exchange.books.open_orders(symbol):
            raise ApiError(-4047)
        if any(p.symbol == symbol for p in self.world.account.open_positions()):
            raise ApiError(-4048)
        settings.margin_type = wanted
        return SUCCESS

    def leverage_bracket(self, call: Call) -> Any:
        rules = self.world.rules
        if "symbol" in call.params:
            return [views.leverage_brackets(rules[call.symbol(self.world)])]
        return [views.leverage_brackets(item) for item in rules.values()]

    def position_mode(self, call: Call) -> Any:
        return {"dualSidePosition": self.world.account.hedged}

    def set_position_mode(self, call: Call) -> Any:
        hedged = call.flag("dualSidePosition")
        exchange, account = self.world.exchange, self.world.account
        if hedged == account.hedged:
            raise ApiError(-4059)
        if exchange.books.open_orders() or exchange.books.open_algos():
            raise ApiError(-4067)
        if account.open_positions():
            raise ApiError(-4068)
        account.hedged = hedged
        return SUCCESS

    def multi_assets(self, call: Call) -> Any:
        return {"multiAssetsMargin": self.world.account.multi_assets}

    def account_config(self, call: Call) -> Any:
        account = self.world.account
        return {
            "feeTier": 0,
            "canTrade": True,
            "canDeposit": True,
            "canWithdraw": True,
            "dualSidePosition": account.hedged,
            "updateTime": 0,
            "multiAssetsMargin": account.multi_assets,
            "tradeGroupId": -1,
        }

    def symbol_config(self, call: Call) -> Any:
        account, rules = self.world.account, self.world.rules
        chosen = [call.symbol(self.world)] if "symbol" in call.params else list(rules)
        return [
            {
                "symbol": symbol,
                "marginType": account.settings[symbol].margin_type,
                "isAutoAddMargin": False,
                "leverage": account.settings[symbol].leverage,
                "maxNotionalValue": views.text(
                    rules[symbol].largest_notional(account.settings[symbol].leverage)
                ),
            }
            for symbol in chosen
        ]

    def commission_rate(self, call: Call) -> Any:
        return {
            "symbol": call.symbol(self.world),
            "makerCommissionRate": "0.0002",
            "takerCommissionRate": "0.0005",
        }

    def restrictions(self, call: Call) -> Any:
        key = call.key
        assert key is not None
        return {
            "ipRestrict": key.ip_restricted,
            "createTime": 1623840271000,
            "enableReading": True,
            "enableWithdrawals": key.withdraw,
            "enableInternalTransfer": False,
            "enableMargin": False,
            "enableFutures": key.futures,
            "permitsUniversalTransfer": False,
            "enableVanillaOptions": False,
            "enableFixApiTrade": False,
            "enableFixReadOnly": True,
            "enableSpotAndMarginTrading": False,
            "enablePortfolioMarginTrading": False,
        }

    def create_listen_key(self, call: Call) -> Any:
        assert call.key is not None
        return {"listenKey": self.world.listen_keys.create(call.key.key)}

    def keep_listen_key(self, call: Call) -> Any:
        assert call.key is not None
        return {"listenKey": self.world.listen_keys.keep_alive(call.key.key)}

    def close_listen_key(self, call: Call) -> Any:
        assert call.key is not None
        self.world.listen_keys.close(call.key.key)
        return {}
