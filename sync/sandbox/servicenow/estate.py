"""What the demo instance has of its customers: companies, contacts, services, machines, the catalog, changes, articles.

Loaded as history, past rules, but no row breaks them. Times count from the instance's clock.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime, timedelta

from sync.sandbox.customers import CUSTOMERS, DATABASE, OFFERINGS, PRODUCTS, VPN, Customer, Offering, key
from sync.sandbox.servicenow.instance import Values, group_id, user_id
from sync.sandbox.servicenow.machines import MACHINES, MAKER, Machine
from sync.sandbox.servicenow.platform import ServiceNowPlatform
from sync.sandbox.servicenow.shelf import ARTICLES, BASES, PICTURE, Article
from sync.sandbox.servicenow.stamps import stamp
from sync.sandbox.servicenow.works import CHANGES, PROBLEMS, Work

_CATALOG = key("sc_catalog", "Service Catalog")
_RUNS_ON = key("cmdb_rel_type", "Runs on::Runs")


def settle(platform: ServiceNowPlatform) -> None:
    """Put the customers and what belongs to them into a fresh instance."""
    estate = _Estate(platform)
    with platform.lock:
        for fill in (
            estate.customers,
            estate.services,
            estate.machines,
            estate.catalog,
            estate.works,
            estate.articles,
        ):
            fill()
        estate.touch_incidents()


class _Estate:
    def __init__(self, platform: ServiceNowPlatform) -> None:
        self._platform = platform
        self._now = platform.now()
        at = stamp(self._now)
        self._stamps = {
            "sys_created_on": at,
            "sys_updated_on": at,
            "sys_created_by": "admin",
            "sys_updated_by": "admin",
        }

    def _put(self, table: str, *names: str, **values: str) -> str:
        sys_id = key(table, *names)
        row = {**self._stamps, "sys_id": sys_id, **values}
        self._platform.records.load(self._platform.registry[table], [row])
        return sys_id

    def _day(self, days: int, hour: int = 0) -> datetime:
        return (self._now + timedelta(days=days)).replace(hour=hour, minute=0, second=0, microsecond=0)

    def customers(self) -> None:
        self._put("core_company", MAKER, name=MAKER, manufacturer="true", vendor="true")
        for number, customer in enumerate((each for each in CUSTOMERS if each.since), start=1):
            self._customer(customer, number)

    def _customer(self, customer: Customer, number: int) -> None:
        first = customer.contacts[0]
        company = self._put(
            "customer_account",
            customer.name,
            name=customer.name,
            number=f"ACCT{number:07d}",
            city=customer.city,
            country=customer.country,
            industry=customer.industry,
            website=f"https://{customer.domain}",
            primary_contact=key("customer_contact", first.name),
            account_manager=user_id(customer.team[0][0]),
        )
        for contact in customer.contacts:
            self._put(
                "customer_contact",
                contact.name,
                user_name=customer.email(contact),
                name=contact.name,
                first_name=contact.first_name,
                last_name=contact.last_name,
                email=customer.email(contact),
                title=contact.title,
                account=company,
                company=company,
                primary="true" if contact is first else "false",
            )

    def services(self) -> None:
        for offering in OFFERINGS:
            self._offering(offering)
        for customer in CUSTOMERS:
            for name in customer.offerings if customer.since else ():
                self._put(
                    "service_subscribe_company",
                    name,
                    customer.name,
                    service_offering=key("service_offering", name),
                    core_company=key("customer_account", customer.name),
                )

    def _offering(self, offering: Offering) -> None:
        group = group_id(offering.group)
        service = self._put(
            "cmdb_ci_service",
            offering.service,
            name=offering.service,
            support_group=group,
            busines_criticality="1 - most critical",
        )
        self._put("service_offering", offering.name, name=offering.name, parent=service, support_group=group)

    def machines(self) -> None:
        self._put(
            "cmdb_rel_type",
            "Runs on::Runs",
            name="Runs on::Runs",
            parent_descriptor="Runs on",
            child_descriptor="Runs",
        )
        for model in sorted({machine.model for machine in MACHINES}):
            maker = key("core_company", MAKER)
            self._put("cmdb_model", model, name=model, display_name=f"{MAKER} {model}", manufacturer=maker)
        for number, machine in enumerate(MACHINES, start=1):
            self._machine(machine, f"P{number:07d}")

    def _machine(self, machine: Machine, tag: str) -> None:
        shared = {
            "serial_number": machine.serial,
            "asset_tag": tag,
            "company": key("customer_account", machine.customer),
            "warranty_expiration": stamp(self._day(machine.warranty_days)).partition(" ")[0],
            "install_date": stamp(self._day(machine.installed_days, 9)),
        }
        item = key(machine.table, machine.name)
        self._put(
            machine.table,
            machine.name,
            name=machine.name,
            asset="" if machine.virtual else key("alm_hardware", machine.name),
            model_id=key("cmdb_model", machine.model),
            manufacturer=key("core_company", MAKER),
            install_status="7" if machine.retired else "1",
            operational_status="6" if machine.retired else "1",
            **shared,
        )
        if machine.service:
            service = key("cmdb_ci_service", machine.service)
            self._put("cmdb_rel_ci", machine.service, machine.name, parent=service, child=item, type=_RUNS_ON)
        if not machine.virtual:
            self._asset(machine, item, tag, shared)

    def _asset(self, machine: Machine, item: str, tag: str, shared: Values) -> None:
        retired = {"retired": stamp(self._day(-30)).partition(" ")[0]} if machine.retired else {}
        self._put(
            "alm_hardware",
            machine.name,
            display_name=f"{tag} - {MAKER} {machine.model}",
            ci=item,
            model=key("cmdb_model", machine.model),
            install_status="7" if machine.retired else "1",
            parent=key("alm_hardware", machine.within) if machine.within else "",
            purchase_date=stamp(self._day(machine.installed_days - 14)).partition(" ")[0],
            **shared,
            **retired,
        )

    def catalog(self) -> None:
        self._put("sc_catalog", "Service Catalog", title="Service Catalog")
        for category in sorted({product.category for product in PRODUCTS}):
            self._put("sc_category", category, title=category, sc_catalog=_CATALOG)
        for number, product in enumerate(PRODUCTS, start=1):
            item = self._put(
                "sc_cat_item",
                product.name,
                name=product.name,
                short_description=product.about,
                description=f"<p>{product.about}.</p>",
                active="true" if product.active else "false",
                category=key("sc_category", product.category),
                sc_catalogs=_CATALOG,
                price=product.price,
                order=str(number * 10),
                group=group_id(product.group),
                owner=user_id(product.owner) if product.owner else "",
            )
            for order, question in enumerate(_questions(product.name)):
                self._put(
                    "item_option_new",
                    product.name,
                    question["name"],
                    cat_item=item,
                    order=str(order + 1),
                    **question,
                )
        self._sizes()

    def _sizes(self) -> None:
        for name in (VPN, DATABASE):
            question = key("item_option_new", name, "size")
            for order, size in enumerate(("small", "medium", "large")):
                self._put(
                    "question_choice",
                    name,
                    size,
                    question=question,
                    text=size.capitalize(),
                    value=size,
                    order=str(order),
                )

    def works(self) -> None:
        for table, works in (("problem", PROBLEMS), ("change_request", CHANGES)):
            for work in works:
                self._work(table, work)

    def _work(self, table: str, work: Work) -> None:
        starts, ends = stamp(self._day(work.days, 20)), stamp(self._day(work.days, 23))
        dates = {"start_date": starts, "end_date": ends} if table == "change_request" else {}
        task = self._put(
            table,
            work.number,
            number=work.number,
            short_description=work.subject,
            description=work.description,
            company=key("customer_account", work.customer) if work.customer else "",
            cmdb_ci=key(work.machine_table, work.machine),
            business_service=key("cmdb_ci_service", work.service),
            assignment_group=group_id(work.group),
            assigned_to=user_id(work.assignee),
            opened_by=user_id(work.assignee),
            opened_at=self._stamps["sys_created_on"],
            **dates,
            **work.values,
        )
        self._touched(task, work)
        if work.approver:
            approver = user_id(work.approver)
            self._put("sysapproval_approver", work.number, sysapproval=task, approver=approver)

    def _touched(self, task: str, work: Work) -> None:
        offering = next(each.name for each in OFFERINGS if each.service == work.service)
        touched = (
            ("task_ci", "ci_item", key(work.machine_table, work.machine)),
            ("task_cmdb_ci_service", "cmdb_ci_service", key("cmdb_ci_service", work.service)),
            ("task_service_offering", "service_offering", key("service_offering", offering)),
        )
        for table, column, target in touched:
            self._put(table, work.number, task=task, **{column: target})

    def articles(self) -> None:
        for title, about in BASES:
            self._put("kb_knowledge_base", title, title=title, description=about)
        for base, category in sorted({(article.base, article.category) for article in ARTICLES}):
            parent = key("kb_knowledge_base", base)
            self._put("kb_category", base, category, label=category, value=category.lower(), parent_id=parent)
        for article in ARTICLES:
            self._article(article)
        self._picture()

    def _article(self, article: Article) -> None:
        self._put(
            "kb_knowledge",
            article.number,
            str(article.version),
            number=article.number,
            article_id=key("article", article.number),
            version=str(article.version),
            latest="true" if article.latest else "false",
            workflow_state=article.state,
            active="false" if article.state == "retired" else "true",
            short_description=article.title,
            text=article.text,
            kb_knowledge_base=key("kb_knowledge_base", article.base),
            kb_category=key("kb_category", article.base, article.category),
            author=user_id("beth.anglin"),
            published="" if article.state == "draft" else stamp(self._day(-20, 8)),
        )

    def _picture(self) -> None:
        """The image that an article shows, as an attachment of its latest row."""
        content = base64.b64decode(PICTURE.content)
        owner = next(each for each in ARTICLES if PICTURE.sys_id in each.text and each.latest)
        self._put(
            "sys_attachment",
            file_name=PICTURE.file_name,
            content_type="image/png",
            size_bytes=str(len(content)),
            size_compressed=str(len(content)),
            compressed="true",
            table_name="ZZ_YYkb_knowledge",
            table_sys_id=key("kb_knowledge", owner.number, str(owner.version)),
            hash=hashlib.sha256(content).hexdigest(),
            chunk_size_bytes="700000",
            state="available",
            sys_id=PICTURE.sys_id,
        )
        self._platform.store.contents[PICTURE.sys_id] = content

    def touch_incidents(self) -> None:
        """Let the first open incidents of made ones be about customers' machines and known problems."""
        data = self._platform.store.data("incident")
        at = data.table.position
        for problem in PROBLEMS:
            about = (row for row in data.by_id.values() if row[at["category"]] == problem.category)
            fresh = (row for row in about if row[at["active"]] == "true" and not row[at["problem_id"]])
            row = next(fresh, None)
            if row is None:
                continue
            values: Values = {
                "problem_id": key("problem", problem.number),
                "cmdb_ci": key(problem.machine_table, problem.machine),
                "company": key("customer_account", problem.customer),
                "business_service": key("cmdb_ci_service", problem.service),
            }
            changed = list(row)
            for name, value in values.items():
                changed[at[name]] = value
            data.put(changed)


def _questions(product: str) -> list[Values]:
    """Every item asks for whom; some how large."""
    account: Values = {
        "name": "account",
        "question_text": "For which account?",
        "type": "8",
        "reference": "customer_account",
        "mandatory": "true",
    }
    size: Values = {"name": "size", "question_text": "Size", "type": "5", "default_value": "small"}
    notes: Values = {"name": "notes", "question_text": "Anything to know?", "type": "2"}
    return [account, *([size] if product in (VPN, DATABASE) else []), notes]
