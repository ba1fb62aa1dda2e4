{% if config_get("user.user-data", "") != "" %}{{ config_get("user.user-data", "") }}{% else %}{{ config_get("cloud-init.user-data", properties.default) }}{% endif %}
