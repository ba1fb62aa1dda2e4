{% if config_get("user.vendor-data", "") != "" %}{{ config_get("user.vendor-data", "") }}{% else %}{{ config_get("cloud-init.vendor-data", properties.default) }}{% endif %}
