-- The seed fills the source's table, which dbt cannot know.
-- depends_on: {{ ref('raw_payments') }}

with payments as (

    select * from {{ source('raw', 'raw_payments') }}

)

select
    id as payment_id,
    order_id,
    method as payment_method,
    status as payment_status,
    {{ cents_to_currency('amount_cents') }} as payment_amount,
    created_at
from payments
