"""Refusals as the exchange documents them: a numeric code, a message and an HTTP status."""

from __future__ import annotations

MESSAGES: dict[int, tuple[int, str]] = {
    -1000: (400, "An unknown error occurred while processing the request."),
    -1003: (429, "Too many requests; current limit of IP is 2400 requests per minute."),
    -1007: (
        408,
        "Timeout waiting for response from backend server. "
        "Send status unknown; execution status unknown.",
    ),
    -1008: (
        503,
        "Request throttled by system-level protection. Reduce-only/close-position orders "
        "are exempt. Please try again.",
    ),
    -1021: (400, "Timestamp for this request is outside of the recvWindow."),
    -1022: (400, "Signature for this request is not valid."),
    -1102: (400, "Mandatory parameter was not sent, was empty/null, or malformed."),
    -1111: (400, "Precision is over the maximum defined for this asset."),
    -1116: (400, "Invalid orderType."),
    -1117: (400, "Invalid side."),
    -1121: (400, "Invalid symbol."),
    -1125: (400, "This listenKey does not exist."),
    -2011: (400, "Unknown order sent."),
    -2013: (400, "Order does not exist."),
    -2014: (401, "API-key format invalid."),
    -2015: (401, "Invalid API-key, IP, or permissions for action."),
    -2019: (400, "Margin is insufficient."),
    -2021: (400, "Order would immediately trigger."),
    -2022: (400, "ReduceOnly Order is rejected."),
    -2027: (400, "Exceeded the maximum allowable position at current leverage."),
    -4003: (400, "Quantity less than or equal to zero."),
    -4004: (400, "Quantity less than minimum quantity."),
    -4005: (400, "Quantity greater than max quantity."),
    -4014: (400, "Price not increased by tick size."),
    -4015: (400, "Client order id length should not be more than 36 chars"),
    -4028: (400, "Leverage is not valid"),
    -4046: (400, "No need to change margin type."),
    -4047: (400, "Margin type cannot be changed if there exists open orders."),
    -4048: (400, "Margin type cannot be changed if there exists position."),
    -4059: (400, "No need to change position side."),
    -4061: (400, "Order's position side does not match user's setting."),
    -4067: (400, "Position side cannot be changed if there exists open orders."),
    -4068: (400, "Position side cannot be changed if there exists position."),
    -4116: (400, "ClientOrderId is duplicated."),
    -4118: (400, "ReduceOnly Order Failed. Please check your existing position and open orders"),
    -4120: (
        400,
        "Order type not supported for this endpoint. "
        "Please use the Algo Order API endpoints instead.",
    ),
    -4140: (400, "Invalid symbol status for opening position."),
    -4108: (
        400,
        "Symbol is on delivering or delivered or settling or closed or pre-trading.",
    ),
    -4164: (
        400,
        "Order's notional must be no smaller than 5 (unless you choose reduce only).",
    ),
    -5021: (400, "Due to the order could not be filled immediately, the FOK order has been "
            "rejected. The order will not be recorded in the order history."),
    -5022: (400, "Due to the order could not be executed as maker, the Post Only order will be "
            "rejected. The order will not be recorded in the order history."),
}  # fmt: skip


class ApiError(Exception):
    """A definite refusal; nothing was executed unless the code says otherwise (-1007)."""

    def __init__(self, code: int, message: str | None = None, status: int | None = None) -> None:
        known_status, known_message = MESSAGES.get(code, (400, f"Error {code}."))
        self.code = code
        self.message = message or known_message
        self.status = status or known_status
        super().__init__(f"{code} {self.message}")
